//! Captured values that lead nowhere.

use mlua::prelude::*;
use syslua_engine::value::Value;

use crate::values::convert::{FieldPath, number};

/// Returns what leads nowhere: neither a table nor a function, nor anything that is refused.
pub fn plain_value(given: &LuaValue) -> Option<Value> {
    match given {
        LuaValue::Nil => Some(Value::Nil),
        LuaValue::Boolean(value) => Some(Value::Bool(*value)),
        LuaValue::Integer(value) => Some(Value::Int(*value)),
        LuaValue::Number(float) => Some(captured_number(*float)),
        LuaValue::String(text) => Some(Value::Bytes(text.as_bytes().to_vec())),
        _ => None,
    }
}

/// A captured float keeps its kind where Lua has one; without integers all numbers look alike.
fn captured_number(float: f64) -> Value {
    let has_integers = cfg!(any(feature = "lua53", feature = "lua54"));
    let is_negative_zero = float == 0.0 && float.is_sign_negative();
    if !has_integers
        && !is_negative_zero
        && let Ok(value) = number(float, &FieldPath::top("number"))
    {
        return value;
    }
    // Its bits tell nothing: they differ between machines.
    Value::Float(if float.is_nan() { f64::NAN } else { float })
}

//! Tokens of inputs that are secrets: they are decrypted when their input is fetched.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Request, failed};
use crate::failure::Failure;
use crate::platform;
use crate::settings::Settings;
use crate::unseal::Documents;

/// A part of a secret.
#[derive(Clone, Debug)]
pub enum SealedPart {
    /// Text that is not encrypted.
    Plain(Vec<u8>),
    /// A value of an encrypted document.
    Value {
        /// What the document is called.
        name: PathBuf,
        /// The encrypted text.
        content: Vec<u8>,
        /// The way to the value; empty for the whole content of a file of age.
        key: String,
    },
}

/// Returns a request whose secret is decrypted, where it has one.
///
/// # Errors
/// When it cannot be decrypted: the failure says which one it is.
pub(super) fn opened(settings: &Settings, request: &Request) -> Result<Option<Request>, Failure> {
    let Some(parts) = &request.sealed_auth else { return Ok(None) };
    let mut documents = Documents::new((settings.identities)());
    let mut auth = Zeroizing::new(Vec::new());
    for part in parts {
        match part {
            SealedPart::Plain(text) => auth.extend_from_slice(text),
            SealedPart::Value { name, content, key } => {
                let id = platform::bytes_of_path(name);
                let value = documents.value(&id, name, key, || Ok(content.clone()));
                let value = value.map_err(|problem| {
                    let what = match key.as_str() {
                        "" => name.display().to_string(),
                        key => format!("{key} of {}", name.display()),
                    };
                    let message =
                        format!("cannot decrypt the secret {what} in `auth`: {}", problem.message);
                    Failure { hint: problem.hint, ..failed(request, message) }
                })?;
                auth.extend_from_slice(&value.to_content());
            }
        }
    }
    // A file of a token often ends with its line.
    let auth = Zeroizing::new(String::from_utf8_lossy(auth.trim_ascii_end()).into_owned());
    Ok(Some(Request { auth: Some(auth), ..request.clone() }))
}

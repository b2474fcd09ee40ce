//! The JSON schema of the reports. The reference, the types for editors and the check of `--json`
//! are made from it. The file in the tree must equal what the types say; `make docs` writes it.

use schemars::generate::SchemaSettings;

use super::*;

const FILE: &str = "reports.schema.json";

/// Returns the definitions of types and of everything in them.
macro_rules! schema_of {
    ($($type:ty),* $(,)?) => {{
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        $( generator.subschema_for::<$type>(); )*
        generator.take_definitions(true)
    }};
}

fn file() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}

/// Returns the schema as the file has it.
fn schema() -> String {
    let definitions = schema_of![
        PlanReport,
        ApplyReport,
        RollbackReport,
        DestroyReport,
        StatusReport,
        ServicesReport,
        HistoryReport,
        ConfirmReport,
        EnvironmentReport,
        ListReport,
        InfoReport,
        HoldReport,
        VerifyReport,
        CheckReport,
        GcReport,
        ExportReport,
        ImportReport,
        SnapshotDiffReport,
        DiffReport,
    ];
    let schema = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_schema_in_the_tree_is_that_of_the_types() {
    let known = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(known == schema(), "{FILE} is not what the reports are: run `make docs`");
}

#[test]
#[ignore = "it writes the file: `make docs` runs it"]
fn write_the_schema() {
    std::fs::write(file(), schema()).unwrap();
}

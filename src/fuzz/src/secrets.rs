//! Documents of SOPS and files of age.

use syslua_secrets::identity::{Identities, Places};
use syslua_secrets::recipient::Recipient;
use syslua_secrets::{Document, Format, Opened, Options, age_file};

const FORMATS: [Format; 5] =
    [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini, Format::Binary];

/// Reads bytes in each format. What can be encrypted holds the same values after it went through
/// its encryption, and what comes out of it is a document of the same values again. The first byte
/// chooses the format.
pub fn target(bytes: &[u8]) {
    let identities = Identities::find(&Places {
        variable: &|_| None,
        home: None,
        settings: None,
        host_keys: None,
    });
    let _ = age_file::check(bytes);
    let _ = age_file::decrypt(bytes, &identities);
    let Some(first) = bytes.first() else { return };
    for format in FORMATS {
        if let Ok(document) = Document::parse(format, bytes) {
            assert!(document.leaves().len() <= bytes.len());
            assert!(
                document.open(&identities).is_err(),
                "a document was opened without an identity"
            );
        }
    }
    let format = FORMATS[usize::from(*first) % FORMATS.len()];
    let recipient =
        Recipient::parse("age1fm04afyk2yvux4cluqw83g4vx5cqvfdkle3r7qpx6nsm8yw6vcvstu8dzn").unwrap();
    let encrypt = |content: &[u8]| {
        Opened::encrypt(format, content, std::slice::from_ref(&recipient), Options::default())
    };
    let Ok(opened) = encrypt(bytes) else { return };
    let values = opened.to_plain().to_json();
    let content = opened.content().unwrap();
    let again = encrypt(&content).unwrap();
    assert!(*again.to_plain().to_json() == *values, "other values came back");
}

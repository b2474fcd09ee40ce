//! The settings of the network and of what programs print, from the variables that programs usually
//! take them from.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use syslua_engine::failure::FailureKind;
use syslua_engine::settings::{Network, OutputLimits};

use crate::error::{Answer, Error};

/// Reads the environment.
///
/// # Errors
/// When a variable of sys.lua does not contain a number.
pub fn from_environment() -> Answer<Network> {
    from(&|name| std::env::var_os(name))
}

/// Reads how much of what programs print is kept.
///
/// # Errors
/// When a variable holds no number.
pub fn output_limits() -> Answer<OutputLimits> {
    let usual = OutputLimits::default();
    let variable = |name: &str| std::env::var_os(name);
    Ok(OutputLimits {
        log: whole(&variable, "SYSLUA_LOG_LIMIT", usual.log)?,
        string: whole(&variable, "SYSLUA_OUTPUT_LIMIT", usual.string)?,
    })
}

fn number(variable: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Answer<Option<f64>> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_string_lossy().into_owned();
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
        _ => Err(Error::new(
            FailureKind::Usage,
            format!("${name}: expected a number, 0 or more, got '{value}'"),
        )),
    }
}

fn whole(variable: &dyn Fn(&str) -> Option<OsString>, name: &str, usual: u64) -> Answer<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative"
    )]
    Ok(number(variable, name)?.map_or(usual, |given| given as u64))
}

fn from(variable: &dyn Fn(&str) -> Option<OsString>) -> Answer<Network> {
    let usual = Network::default();
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let text = |name: &str| {
        let value = variable(name).or_else(|| variable(&name.to_uppercase()))?;
        Some(value.to_string_lossy().trim().to_owned()).filter(|value| !value.is_empty())
    };
    let all = text("all_proxy");
    let netrc = path("NETRC").or_else(|| {
        let name = if cfg!(windows) { "_netrc" } else { ".netrc" };
        path(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(|home| home.join(name))
    });
    let seconds = |name: &str, usual: Duration| -> Answer<Duration> {
        let given =
            number(variable, name)?.and_then(|given| Duration::try_from_secs_f64(given).ok());
        // Nothing would ever be in time.
        Ok(given.filter(|given| !given.is_zero()).unwrap_or(usual))
    };
    Ok(Network {
        http_proxy: text("http_proxy").or_else(|| all.clone()),
        https_proxy: text("https_proxy").or(all),
        no_proxy: text("no_proxy").unwrap_or_default(),
        netrc,
        certificate_file: path("SSL_CERT_FILE"),
        certificate_directory: path("SSL_CERT_DIR"),
        connect_timeout: seconds("SYSLUA_CONNECT_TIMEOUT", usual.connect_timeout)?,
        response_timeout: seconds("SYSLUA_RESPONSE_TIMEOUT", usual.response_timeout)?,
        stall_timeout: seconds("SYSLUA_STALL_TIMEOUT", usual.stall_timeout)?,
        retries: u32::try_from(whole(
            variable,
            "SYSLUA_DOWNLOAD_RETRIES",
            u64::from(usual.retries),
        )?)
        .unwrap_or(u32::MAX),
        retry_delay: usual.retry_delay,
        download_limit: whole(variable, "SYSLUA_DOWNLOAD_LIMIT", usual.download_limit)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &'static [(&str, &str)]) -> Answer<Network> {
        from(&move |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn proxies_have_lower_and_upper_case_names() {
        let network =
            read(&[("http_proxy", "a:1"), ("HTTPS_PROXY", "b:2"), ("NO_PROXY", "c")]).unwrap();
        assert_eq!(network.http_proxy.as_deref(), Some("a:1"));
        assert_eq!(network.https_proxy.as_deref(), Some("b:2"));
        assert_eq!(network.no_proxy, "c");
        let network =
            read(&[("ALL_PROXY", "socks5h://d"), ("http_proxy", ""), ("HTTP_PROXY", "")]).unwrap();
        assert_eq!(network.http_proxy, network.https_proxy);
        assert_eq!(network.http_proxy.as_deref(), Some("socks5h://d"));
        assert_eq!(read(&[]).unwrap(), Network::default());
    }

    #[test]
    fn netrc_is_in_the_home_unless_named() {
        assert_eq!(
            read(&[("HOME", "/home/ada")]).unwrap().netrc,
            Some(PathBuf::from("/home/ada/.netrc"))
        );
        assert_eq!(
            read(&[("HOME", "/h"), ("NETRC", "/n")]).unwrap().netrc,
            Some(PathBuf::from("/n"))
        );
    }

    #[test]
    fn our_own_variables_are_numbers() {
        let network =
            read(&[("SYSLUA_STALL_TIMEOUT", "0.5"), ("SYSLUA_DOWNLOAD_LIMIT", "1000")]).unwrap();
        assert_eq!(network.stall_timeout, Duration::from_millis(500));
        assert_eq!(network.download_limit, 1000);
        assert!(read(&[("SYSLUA_DOWNLOAD_RETRIES", "many")]).is_err());
        assert!(read(&[("SYSLUA_CONNECT_TIMEOUT", "-1")]).is_err());
    }
}

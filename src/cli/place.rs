//! Where things are when nobody says it: the repository and the state folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The file that makes a git repository one of ours.
const SETTINGS: &str = "metrom.yaml";

/// The URL or path of the repository: what was asked for, or the one around the current folder.
///
/// # Errors
/// When nothing was asked for and there is none around.
pub fn repository(asked: Option<&str>) -> Result<String> {
    match asked {
        Some(asked) if is_local(asked) => {
            let path = std::fs::canonicalize(asked)
                .with_context(|| format!("cannot find the repository `{asked}`"))?;
            Ok(path.to_string_lossy().into_owned())
        }
        Some(url) => Ok(url.to_owned()),
        None => {
            let here = std::env::current_dir().context("cannot tell the current folder")?;
            Ok(around(&here)?.to_string_lossy().into_owned())
        }
    }
}

/// Whether this names a folder of this machine rather than a URL (`scheme://` or `host:path`).
fn is_local(text: &str) -> bool {
    Path::new(text).exists() || !text.contains(':')
}

/// The nearest folder upwards that is a git repository with our settings.
fn around(here: &Path) -> Result<PathBuf> {
    let is_ours = |folder: &&Path| folder.join(".git").exists() && folder.join(SETTINGS).is_file();
    match here.ancestors().find(is_ours) {
        Some(folder) => Ok(folder.to_owned()),
        None => bail!(
            "there is no git repository with a `{SETTINGS}` around {}; go into one, or name it with \
             `--repo` or METROM_REPO",
            here.display()
        ),
    }
}

/// Where history, keys, images and mirrors are kept.
///
/// # Errors
/// When nothing was asked for and the user has no home.
pub fn state(asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(asked) = asked {
        return std::path::absolute(asked).context("cannot tell the state folder");
    }
    if is_root() {
        return Ok(PathBuf::from("/var/lib/metrom"));
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => PathBuf::from(state),
        (None, Some(home)) => PathBuf::from(home).join(".local/state"),
        (None, None) => bail!(
            "there is no home folder to keep state in; name one with `--state` or METROM_STATE"
        ),
    };
    Ok(base.join("metrom"))
}

/// Whether the process runs as root: then its own entry in /proc belongs to user 0.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_repository_with_our_settings_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("team/environments");
        std::fs::create_dir_all(&inner).unwrap();
        assert!(around(&inner).is_err());
        std::fs::create_dir(root.path().join(".git")).unwrap();
        std::fs::write(root.path().join(SETTINGS), "").unwrap();
        assert_eq!(around(&inner).unwrap(), root.path());
    }

    #[test]
    fn a_url_is_left_as_it_is() {
        for url in ["https://example.com/a.git", "git@example.com:a.git"] {
            assert_eq!(repository(Some(url)).unwrap(), url);
        }
        assert!(repository(Some("no/such/folder")).is_err());
    }
}

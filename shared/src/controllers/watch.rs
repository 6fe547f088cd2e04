//! The file as it changes under a running process: the last good set is kept, and a faulty file is reported once.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::{Controllers, ControllersError, parse};

/// What [`ControllersFile::reload_if_changed`] found.
#[derive(Debug, PartialEq)]
pub enum Reload {
    Unchanged,
    /// A new good set is in force.
    Changed(Arc<Controllers>),
    /// The file is faulty or gone; the last good set stays in force. Told once for each fault, not at every look.
    Failed(ControllersError),
    /// As faulty as at the last look.
    StillFailed,
}

/// Watches one controllers file. Contents are compared, not times: mounted secrets change by swapping links.
pub struct ControllersFile {
    path: PathBuf,
    current: RwLock<Arc<Controllers>>,
    seen: Mutex<Seen>,
    /// Good sets so far.
    readings: AtomicU64,
}

struct Seen {
    good: [u8; 32],
    fault: Option<ControllersError>,
}

impl ControllersFile {
    /// The first reading has to be good.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ControllersError> {
        let path = path.into();
        let reading = parse::read(&path)?;
        Ok(ControllersFile {
            path,
            current: RwLock::new(Arc::new(reading.controllers)),
            seen: Mutex::new(Seen {
                good: reading.digest,
                fault: None,
            }),
            readings: AtomicU64::new(1),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last good set.
    pub fn current(&self) -> Arc<Controllers> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Number of the last good set: what has been asked with an earlier one may be answered otherwise now.
    pub fn reading(&self) -> u64 {
        self.readings.load(Ordering::Acquire)
    }

    /// Reads the file and its secret files again. Blocks for as long as the disk does; meant to be called every few seconds.
    pub fn reload_if_changed(&self) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match parse::read(&self.path) {
            Ok(reading) if reading.digest == seen.good => {
                seen.fault = None;
                Reload::Unchanged
            }
            Ok(reading) => {
                let set = Arc::new(reading.controllers);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = set.clone();
                self.readings.fetch_add(1, Ordering::Release);
                *seen = Seen {
                    good: reading.digest,
                    fault: None,
                };
                Reload::Changed(set)
            }
            Err(fault) if seen.fault.as_ref() == Some(&fault) => Reload::StillFailed,
            Err(fault) => {
                seen.fault = Some(fault.clone());
                Reload::Failed(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("phaseline-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&folder).unwrap();
            Folder(folder)
        }
        fn write(&self, name: &str, content: &str) {
            std::fs::write(self.0.join(name), content).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn file(name: &str) -> String {
        format!(
            "[[controllers]]\nid = 1\nname = \"{name}\"\ntenants = [\"acme\"]\nbase_url = \"https://api.example.com\"\n\
             token_url = \"https://example.com/t\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret_file = \"secret\"\n"
        )
    }

    #[test]
    fn a_change_of_the_file_or_of_a_secret_file_is_picked_up() {
        let folder = Folder::new();
        folder.write("secret", "one\n");
        folder.write("c.toml", &file("first"));
        let watched = ControllersFile::open(folder.0.join("c.toml")).unwrap();
        let secret = || watched.current().get(1).unwrap().client_secret.expose().to_owned();
        assert_eq!(
            (watched.reload_if_changed(), secret().as_str()),
            (Reload::Unchanged, "one")
        );
        folder.write("secret", "two\n");
        assert_eq!(watched.reading(), 1);
        assert!(matches!(watched.reload_if_changed(), Reload::Changed(_)));
        assert_eq!(watched.reading(), 2);
        assert_eq!(
            (watched.reload_if_changed(), secret().as_str()),
            (Reload::Unchanged, "two")
        );
    }

    #[test]
    fn a_faulty_file_is_reported_once_and_the_last_good_set_stays() {
        let folder = Folder::new();
        folder.write("secret", "one");
        folder.write("c.toml", &file("first"));
        let watched = ControllersFile::open(folder.0.join("c.toml")).unwrap();
        folder.write("c.toml", "[[controllers]]\nid = 0");
        assert!(matches!(watched.reload_if_changed(), Reload::Failed(_)));
        assert_eq!(watched.reload_if_changed(), Reload::StillFailed);
        std::fs::remove_file(folder.0.join("c.toml")).unwrap();
        assert!(matches!(
            watched.reload_if_changed(),
            Reload::Failed(ControllersError::Unreadable { .. })
        ));
        assert_eq!(watched.current().get(1).unwrap().name, "first");
        folder.write("c.toml", &file("second"));
        assert!(matches!(watched.reload_if_changed(), Reload::Changed(_)));
        assert_eq!(watched.current().get(1).unwrap().name, "second");
    }
}

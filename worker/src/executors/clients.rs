//! One RUCKUS One client for each controller, made when it is first needed and made anew when its entry in the controllers file
//! changes: a rotated secret is in force without a restart, and calls under way end with the client they began with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use shared::controllers::{Controllers, ControllersFile};

use crate::r1::{R1, Settings};
use crate::remote::CallError;

/// The clients of this process.
pub struct Clients {
    file: Arc<ControllersFile>,
    settings: Settings,
    by_controller: Mutex<HashMap<i64, R1>>,
}

impl Clients {
    /// Whoever owns `file` has it read again when it changes; the clients follow.
    pub fn new(file: Arc<ControllersFile>, settings: Settings) -> Self {
        Clients {
            file,
            settings,
            by_controller: Mutex::default(),
        }
    }

    /// Reads the file again, if it has changed. A few KiB from the local disk.
    pub fn reload(&self) -> shared::controllers::Reload {
        self.file.reload_if_changed()
    }

    /// Number of the set that was last read.
    pub fn reading(&self) -> u64 {
        self.file.reading()
    }

    /// The controllers as last read.
    pub fn controllers(&self) -> Arc<Controllers> {
        self.file.current()
    }

    /// The client of a controller. [`CallError::Rejected`] when the file does not list it (any more), or no client can be made of it.
    pub fn get(&self, controller: i64) -> Result<R1, CallError> {
        // no other call will fare better: the job is held until the file is mended
        let refused = |code: &str, detail: String| CallError::Auth {
            status: 0,
            code: Some(code.to_owned()),
            detail,
        };
        let wanted = self.file.current().get(controller).cloned().ok_or_else(|| {
            refused(
                "CONTROLLER_UNKNOWN",
                format!("controller {controller} is not in the controllers file"),
            )
        })?;
        let mut clients = self.by_controller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&controller)
            && **client.controller() == *wanted
        {
            return Ok(client.clone());
        }
        let client =
            R1::new(wanted, self.settings.clone()).map_err(|e| refused("CONTROLLER_UNUSABLE", e.to_string()))?;
        clients.insert(controller, client.clone());
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    struct File(PathBuf);

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    impl File {
        fn write(&self, secret: &str) {
            let text = format!(
                "[[controllers]]\nid = 1\nname = \"n\"\ntenants = [\"acme\"]\nbase_url = \"http://127.0.0.1:1\"\n\
                 token_url = \"http://127.0.0.1:1/t\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"{secret}\"\n"
            );
            std::fs::write(&self.0, text).unwrap();
        }
    }

    #[test]
    fn a_client_is_kept_until_its_controller_changes() {
        let path = std::env::temp_dir().join(format!("phaseline-{}.toml", uuid::Uuid::new_v4()));
        let on_disk = File(path.clone());
        on_disk.write("one");
        let file = Arc::new(ControllersFile::open(path).unwrap());
        let clients = Clients::new(file.clone(), Settings::default());
        let secret = || clients.get(1).unwrap().controller().client_secret.expose().to_owned();
        let first = clients.get(1).unwrap();
        file.reload_if_changed();
        assert!(Arc::ptr_eq(first.controller(), clients.get(1).unwrap().controller()));
        on_disk.write("two");
        assert_eq!(secret(), "one", "not before the file has been read again");
        file.reload_if_changed();
        assert_eq!(secret(), "two");
        assert_eq!(clients.get(2).err().unwrap().code(), "CONTROLLER_UNKNOWN");
    }
}

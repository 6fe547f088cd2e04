//! The client against a scripted server that speaks raw HTTP, so that replies can be late, cut, or nonsense.

mod activity;
mod networks;
mod policies;
mod reads;
mod server;
mod token;
mod wire;
mod writes;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use shared::controllers::{Controller, Controllers};

use super::{R1, Settings};
use crate::gate::{Gate, GateClosed, Permit, Verdict};
use server::{Act, Seen, Server};

const CLIENT_SECRET: &str = "very-secret-client-secret";
const PASSPHRASE: &str = "Geheim\"<1234";

fn controller(base: &str, extra: &str) -> Arc<Controller> {
    let text = format!(
        "[[controllers]]\nid = 1\nname = \"test\"\ntenants = [\"acme\"]\nbase_url = \"{base}\"\ntoken_url = \"{base}/oauth2/token/t1\"\n\
         tenant_id = \"t1\"\nclient_id = \"client-1\"\nclient_secret = \"{CLIENT_SECRET}\"\n{extra}\n"
    );
    Controllers::parse(&text, Path::new("."))
        .unwrap()
        .get(1)
        .unwrap()
        .clone()
}

fn client(server: &Server) -> R1 {
    client_of(controller(&server.base(), ""))
}

fn client_of(controller: Arc<Controller>) -> R1 {
    let settings = Settings {
        timeout: Duration::from_secs(2),
        answer_max: 100_000,
        ..Settings::default()
    };
    R1::new(controller, settings).unwrap()
}

/// A server that gives tokens `token-1`, `token-2`, … and answers everything else by `script`.
async fn serve(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Server {
    let issued = Mutex::new(0);
    Server::start(move |seen| {
        if !seen.is_login() {
            return script(seen);
        }
        let mut issued = issued.lock().unwrap();
        *issued += 1;
        Act::json(
            200,
            &format!(r#"{{"access_token":"token-{issued}","token_type":"Bearer","expires_in":7199}}"#),
        )
    })
    .await
}

/// A gate that always opens and keeps what was reported.
#[derive(Default)]
struct Recorder {
    verdicts: Arc<Mutex<Vec<Verdict>>>,
}

impl Recorder {
    fn open(&self) -> Permit {
        let verdicts = self.verdicts.clone();
        Permit::new(move |verdict, _| verdicts.lock().unwrap().push(verdict))
    }
    fn verdicts(&self) -> Vec<Verdict> {
        self.verdicts.lock().unwrap().clone()
    }
}

#[async_trait]
impl Gate for Recorder {
    async fn permit(&self) -> Result<Permit, GateClosed> {
        Ok(self.open())
    }
}

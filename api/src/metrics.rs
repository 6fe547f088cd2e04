//! What Prometheus scrapes: the API's own counters, and with them what the store tells of the fleet.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::fleet::{self, Fleet};
use crate::state::State;

/// Labels of one answered request. The route is its template, so that ids never become labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    pub method: String,
    pub route: String,
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    pub method: String,
    pub route: String,
}

/// Upper bounds in seconds: most answers are one script call, an import may take a minute to arrive.
const LATENCY_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 20.0, 60.0];

/// The API's metrics. One for the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram>,
    /// Imports whose bodies are being read.
    pub imports: Gauge,
    pub import_bytes: Counter,
    pub panics: Counter,
    fleet: Fleet,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("phaseline_api");
        let requests = Family::<RequestLabels, Counter>::default();
        let latency = Family::<RouteLabels, Histogram>::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS));
        let imports = Gauge::default();
        let (import_bytes, panics) = (Counter::default(), Counter::default());
        registry.register(
            "http_requests",
            "Answered requests by route template and status",
            requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the request's head to the answer's head",
            Unit::Seconds,
            latency.clone(),
        );
        registry.register(
            "imports_reading",
            "Imports whose bodies are being read",
            imports.clone(),
        );
        registry.register_with_unit("import_body", "Import bodies read", Unit::Bytes, import_bytes.clone());
        registry.register("panics", "Handlers that panicked", panics.clone());
        Metrics {
            registry,
            requests,
            latency,
            imports,
            import_bytes,
            panics,
            fleet: Fleet::default(),
        }
    }
}

impl Metrics {
    pub fn answered(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let (method, route) = (method.to_owned(), route.to_owned());
        self.latency
            .get_or_create(&RouteLabels {
                method: method.clone(),
                route: route.clone(),
            })
            .observe(seconds);
        self.requests
            .get_or_create(&RequestLabels { method, route, status })
            .inc();
    }

    /// This process' own numbers in the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// Its own numbers, and those of the fleet as far as the store can be reached.
    pub async fn page(&self, state: &State) -> Result<String, std::fmt::Error> {
        let reading = self.fleet.read(state).await;
        let mut page = String::new();
        text::encode_registry(&mut page, &self.registry)?;
        let mut scripts = Registry::with_prefix("phaseline_api");
        scripts.register_with_unit(
            "script_duration",
            "Store script calls, there and back",
            Unit::Seconds,
            state.script_times(),
        );
        text::encode_registry(&mut page, &scripts)?;
        for registry in fleet::registries(&reading) {
            text::encode_registry(&mut page, &registry)?;
        }
        text::encode_eof(&mut page)?;
        Ok(page)
    }
}

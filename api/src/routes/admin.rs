//! For whoever runs the fleet: its streams, its workers, and what may be asked of each controller.

use actix_web::{HttpRequest, web};
use shared::id::WorkerId;
use shared::store::Partition;

use super::{Access, Endpoint};
use crate::auth::{Administrator, Operator};
use crate::error::Problem;
use crate::openapi::params::Page;
use crate::params::Params;
use crate::remotes;
use crate::state::State;
use crate::views::{LimitsView, PageView, StreamView, WorkerView};

/// What a cursor takes.
const CURSOR: &str = "next_cursor of the page before";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/api/v1/admin/streams", Access::Operate, streams),
        Endpoint::get("/api/v1/admin/workers", Access::Operate, workers),
        Endpoint::get("/api/v1/admin/limits", Access::Administer, limits),
    ]
}

/// Work streams.
///
/// The work stream of each partition, what waits in front of it, and who waits; as it was two seconds ago at most.
#[utoipa::path(get, path = "/api/v1/admin/streams", tag = "admin", params(Page),
    responses((status = 200, description = "A page of partitions", body = PageView<StreamView>)))]
async fn streams(
    _: Operator,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<StreamView>>, Problem> {
    let mut params = Params::of(&req);
    let after: Option<u16> = params.parsed("cursor", CURSOR);
    let limit = params.limit();
    params.finish()?;
    let store = state.store()?;
    let is_left = |p: &Partition| after.is_none_or(|after| p.0 > after);
    let mut left = store.partitions().filter(is_left).peekable();
    let mut items = Vec::new();
    while let Some(p) = left.next_if(|_| items.len() < limit) {
        items.push(StreamView::of(&*state.stream(p).await?));
    }
    let last = items.last().map(|s| s.partition.to_string());
    Ok(web::Json(PageView {
        next_cursor: left.peek().and(last),
        items,
    }))
}

/// Partition and worker behind which a page begins.
fn worker_cursor(text: &str) -> Option<(Partition, String)> {
    let (partition, worker) = text.split_once('.')?;
    let worker: WorkerId = worker.parse().ok()?;
    Some((Partition(partition.parse().ok()?), worker.to_string()))
}

/// Workers.
///
/// The workers, once for each partition they serve. A page may be short, and not be the last.
#[utoipa::path(get, path = "/api/v1/admin/workers", tag = "admin", params(Page),
    responses((status = 200, description = "A page of workers", body = PageView<WorkerView>)))]
async fn workers(
    _: Operator,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<WorkerView>>, Problem> {
    let mut params = Params::of(&req);
    let cursor = params.read("cursor", CURSOR, worker_cursor);
    let limit = params.limit();
    params.finish()?;
    let store = state.store()?;
    let (first, mut after) = cursor.unwrap_or((Partition(0), String::new()));
    let mut items: Vec<WorkerView> = Vec::new();
    for p in store.partitions().filter(|p| *p >= first) {
        // one more than there is room for tells whether this is the end
        let room = limit + 1 - items.len();
        items.extend(store.workers(p, &after, room).await?.into_iter().map(WorkerView::of));
        after.clear();
        if items.len() > limit {
            break;
        }
    }
    let is_end = items.len() <= limit;
    items.truncate(limit);
    let last = items.last().filter(|_| !is_end);
    Ok(web::Json(PageView {
        next_cursor: last.map(|w| format!("{}.{}", w.partition, w.id)),
        items,
    }))
}

/// Limits of controllers.
///
/// What the fleet may ask of each controller now: an operator sees all of them, an administrator those of their own tenant.
#[utoipa::path(get, path = "/api/v1/admin/limits", tag = "admin", params(Page),
    responses((status = 200, description = "A page of controllers", body = PageView<LimitsView>)))]
async fn limits(
    caller: Administrator,
    req: HttpRequest,
    state: web::Data<State>,
) -> Result<web::Json<PageView<LimitsView>>, Problem> {
    let mut params = Params::of(&req);
    let after: Option<i64> = params.parsed("cursor", CURSOR);
    let limit = params.limit();
    params.finish()?;
    let own = match (caller.0.sees_all(), caller.0.tenant) {
        (true, _) => None,
        (false, Some(tenant)) => Some(tenant),
        (false, None) => return Err(Problem::internal()),
    };
    let store = state.store()?;
    let all = state.controllers.current();
    let left = all.iter().filter(|c| after.is_none_or(|after| c.id > after));
    let seen = left.filter(|c| own.as_ref().is_none_or(|own| c.tenants.contains(own)));
    let mut seen: Vec<_> = seen.take(limit + 1).cloned().collect();
    let is_end = seen.len() <= limit;
    seen.truncate(limit);
    let last = seen.last().filter(|_| !is_end).map(|c| c.id.to_string());
    let remotes = remotes::look(store, &state, seen).await?;
    Ok(web::Json(PageView {
        items: remotes.iter().map(|r| LimitsView::of(r, own.as_ref())).collect(),
        next_cursor: last,
    }))
}

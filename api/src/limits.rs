//! What a request may cost: bytes and time of its body, time until its answer, time of an answer that streams. Each route names
//! its own in the list of routes; this is the one place that keeps to them.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::body::{BodyFault, BodyLimits};
use crate::error::Problem;

/// What a route takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// None. One that is sent all the same is not read, and the connection is closed after the answer.
    None,
    /// A small JSON document.
    Small,
    /// An export. Parsed while it arrives, by its handler, which keeps to the limits of [`State::body_limits`](crate::state::State).
    Export,
    /// Corrected rows, as many as an export has, read like one; or no body at all.
    Corrections,
}

impl Body {
    pub fn limits(self) -> Option<BodyLimits> {
        match self {
            Self::None => None,
            Self::Small => Some(BodyLimits::SMALL),
            Self::Export | Self::Corrections => Some(BodyLimits::EXPORT),
        }
    }
}

/// Limits of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub body: Body,
    /// From the last byte of the body, or the head of a request without one, to the head of the answer.
    pub answer: Duration,
    /// For the body of an answer that streams. None: it is whole when its head leaves.
    pub stream: Option<Duration>,
}

impl Limits {
    /// Most answers take a few milliseconds. This is what a caller can be asked to wait when the store is slow: it gives up by itself
    /// before that, after some tries.
    const ANSWER: Duration = Duration::from_secs(15);

    pub const READ: Limits = Limits {
        body: Body::None,
        answer: Self::ANSWER,
        stream: None,
    };
    pub const WRITE: Limits = Limits {
        body: Body::Small,
        ..Self::READ
    };
}

/// Around the handler of one route.
///
/// An answer that is late becomes 503: the caller did nothing wrong (so no 4xx; many clients repeat a 408 at once), nothing of ours is
/// broken (so no 500), we are no gateway (so no 504), and `Retry-After` says when it is worth another try. The handler is dropped where
/// it waits. That leaves nothing half done: what changes a job is one script, and an import is accepted in a task of its own.
pub async fn keep<B: MessageBody + 'static>(
    limits: Limits,
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let request = req.request().clone();
    let arrival = Rc::new(Arrival::default());
    match limits.body {
        Body::None => arrival.ended.notify_one(),
        Body::Small | Body::Export | Body::Corrections => {
            let bounds = (limits.body == Body::Small).then_some(BodyLimits::SMALL);
            let incoming = Incoming::new(req.take_payload(), bounds, arrival.clone());
            req.set_payload(Payload::Stream {
                payload: Box::pin(incoming),
            });
        }
    }
    let body_takes = limits.body.limits().map_or(Duration::ZERO, |b| b.total + b.drain);
    let late = async {
        // A handler that does not read its body to the end has no more time than one that does.
        let _ = timeout(body_takes, arrival.ended.notified()).await;
        sleep(limits.answer).await;
    };
    let answer = tokio::select! {
        biased;
        answer = next.call(req) => answer?.map_into_boxed_body(),
        () = late => {
            let is_safe = request.method().is_safe();
            let problem = Problem::overdue(limits.answer, is_safe);
            return Ok(ServiceResponse::from_err(problem, request));
        }
    };
    if let (Some(fault), Some(bounds)) = (arrival.fault.get(), limits.body.limits())
        && answer.response().error().is_some()
    {
        return Ok(ServiceResponse::from_err(fault.problem(&bounds), request));
    }
    Ok(match limits.stream {
        Some(whole) => answer.map_body(|_, body| BoxBody::new(Timed::new(body, whole))),
        None => answer,
    })
}

/// Around the whole application: a body that nobody has read to its end is not drained, for that would take as long as it trickles. It is
/// held until the answer has left, and the server then closes the connection over it.
pub async fn close_over_unread<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let names = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    if !names.iter().any(|name| req.headers().contains_key(name)) {
        return next.call(req).await.map(ServiceResponse::map_into_boxed_body);
    }
    let held = Rc::new(RefCell::new(req.take_payload()));
    req.set_payload(Payload::Stream {
        payload: Box::pin(Held(held.clone())),
    });
    let answer = next.call(req).await?;
    Ok(answer.map_body(|_, body| {
        BoxBody::new(Holding {
            inner: body.boxed(),
            _held: held,
        })
    }))
}

struct Held(Rc<RefCell<Payload>>);

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// An answer, and the body of its request.
struct Holding {
    inner: BoxBody,
    _held: Rc<RefCell<Payload>>,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.inner).poll_next(cx)
    }
}

/// How a body arrives.
#[derive(Default)]
struct Arrival {
    /// The last byte is there, or nobody waits for it any more.
    ended: Notify,
    fault: Cell<Option<BodyFault>>,
}

/// A body on its way to its handler, within its bounds.
struct Incoming {
    payload: Payload,
    bounds: Option<BodyLimits>,
    bytes: u64,
    end_by: Instant,
    timer: Pin<Box<Sleep>>,
    arrival: Rc<Arrival>,
}

impl Incoming {
    fn new(payload: Payload, bounds: Option<BodyLimits>, arrival: Rc<Arrival>) -> Self {
        let now = Instant::now();
        let (idle, total) = bounds.map_or_else(Default::default, |b| (b.idle, b.total));
        Incoming {
            payload,
            bounds,
            bytes: 0,
            end_by: now + total,
            timer: Box::pin(sleep_until(now + idle)),
            arrival,
        }
    }

    fn fail(&mut self, fault: BodyFault, error: PayloadError) -> Poll<Option<Result<Bytes, PayloadError>>> {
        self.arrival.fault.set(Some(fault));
        self.payload = Payload::None;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let piece = Pin::new(&mut this.payload).poll_next(cx);
        let Some(bounds) = this.bounds else {
            if let Poll::Ready(None | Some(Err(_))) = piece {
                this.arrival.ended.notify_one();
            }
            return piece;
        };
        match piece {
            Poll::Pending => match this.timer.poll_unpin(cx) {
                Poll::Ready(()) => this.fail(BodyFault::Slow, io::Error::from(io::ErrorKind::TimedOut).into()),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(None) => {
                this.arrival.ended.notify_one();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(PayloadError::Overflow))) => this.fail(BodyFault::TooLarge, PayloadError::Overflow),
            Poll::Ready(Some(Err(error))) => this.fail(BodyFault::Incomplete, error),
            Poll::Ready(Some(Ok(bytes))) => {
                this.bytes += bytes.len() as u64;
                let now = Instant::now();
                if this.bytes > bounds.bytes_max {
                    return this.fail(BodyFault::TooLarge, PayloadError::Overflow);
                }
                if now >= this.end_by {
                    return this.fail(BodyFault::Slow, io::Error::from(io::ErrorKind::TimedOut).into());
                }
                this.timer.as_mut().reset(this.end_by.min(now + bounds.idle));
                Poll::Ready(Some(Ok(bytes)))
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.arrival.ended.notify_one();
    }
}

/// An answer that streams, for so long. Then it is broken off: a reader sees that it is not whole.
struct Timed {
    inner: BoxBody,
    end: Pin<Box<Sleep>>,
}

impl Timed {
    fn new(inner: BoxBody, whole: Duration) -> Self {
        Timed {
            inner,
            end: Box::pin(sleep(whole)),
        }
    }
}

impl MessageBody for Timed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.end.poll_unpin(cx).is_ready() {
            tracing::warn!("an answer took too long to be taken and was broken off");
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        }
        Pin::new(&mut self.inner).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};
    use futures_util::{StreamExt, stream};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(600);

    fn limits(answer: Duration) -> Limits {
        Limits {
            answer,
            ..Limits::WRITE
        }
    }

    macro_rules! app {
        ($limits:expr, $handler:expr) => {{
            let limits: Limits = $limits;
            let route = web::route().to($handler);
            let route = route.wrap(from_fn(move |req, next| keep(limits, req, next)));
            init_service(App::new().service(web::resource("/").route(route))).await
        }};
    }

    #[actix_web::test]
    async fn an_answer_that_is_late_is_503_and_says_when_to_come_back() {
        let app = app!(limits(SHORT), |_: Bytes| async {
            sleep(LONG).await;
            HttpResponse::Ok().finish()
        });
        for request in [TestRequest::get(), TestRequest::post().set_payload("{}")] {
            let answer = call_service(&app, request.uri("/").to_request()).await;
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers().get("retry-after").unwrap(), "5");
            let text = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
            assert!(text.contains("urn:phaseline:problem:overdue"), "{text}");
        }
    }

    #[actix_web::test]
    async fn the_clock_of_the_answer_starts_when_the_body_is_there() {
        let app = app!(limits(SHORT * 5), |body: Bytes| async move {
            assert_eq!(body.len(), 6);
            HttpResponse::Ok().finish()
        });
        let slow = stream::unfold(0, |n| async move {
            sleep(SHORT * 2).await;
            (n < 6).then(|| (Ok(Bytes::from_static(b"x")), n + 1))
        });
        let request = TestRequest::post().uri("/").to_request();
        let payload = slow.boxed_local();
        let request = request.replace_payload(Payload::Stream { payload }).0;
        assert_eq!(call_service(&app, request).await.status(), 200);
    }

    #[actix_web::test]
    async fn an_answer_that_streams_has_its_own_time_and_never_a_proper_end_after_it() {
        let pieces = || {
            stream::unfold((), |()| async {
                sleep(SHORT).await;
                Some((Ok::<_, Error>(Bytes::from_static(b"row\n")), ()))
            })
        };
        let streams = Limits {
            stream: Some(SHORT * 10),
            ..limits(SHORT * 2)
        };
        let app = app!(streams, move || async move { HttpResponse::Ok().streaming(pieces()) });
        let answer = call_service(&app, TestRequest::get().uri("/").to_request()).await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        let mut rows = 0;
        let end = loop {
            match std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
                Some(Ok(_)) => rows += 1,
                end => break end,
            }
        };
        assert!(rows > 2, "longer than the head may take");
        assert!(matches!(end, Some(Err(_))), "broken off, not ended");
    }
}

//! HEAD: what GET would answer, without its body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use bytes::Bytes;

/// Around the whole application, errors included: the body of an answer to HEAD is dropped before a byte of it is made. That of a report
/// would otherwise be read from the store to its end, for nobody.
pub async fn without_body<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = req.method() == Method::HEAD;
    let answer = next.call(req).await?.map_into_boxed_body();
    Ok(match is_head {
        true => answer.map_body(|_, body| BoxBody::new(Left { size: body.size() })),
        false => answer,
    })
}

/// What is left of a body: its size, for the headers that tell of it.
struct Left {
    size: BodySize,
}

impl MessageBody for Left {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

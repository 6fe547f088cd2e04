//! Reading a long list page by page, to its true end.
//!
//! Totals and page sizes of live systems can't be trusted: pages are capped silently, totals are capped by search engines, and of the
//! two paging styles one is said to start at page 0 and seen to work from page 1. So rows are told apart by their id, and a list ends
//! when all announced rows have been seen, or when asking further brings nothing new.

use std::collections::HashSet;
use std::marker::PhantomData;

use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::wire::{Media, Request};
use super::{R1, asked};
use crate::gate::Gate;
use crate::remote::CallError;

/// Rows asked for in one page: larger pages have been cut silently.
pub const PAGE_SIZE: u32 = 500;
/// No list is asked for more pages than this: 100,000 rows at 20 a page.
const PAGES_MAX: u32 = 5_000;

/// Something a list holds.
pub trait Row: DeserializeOwned + Send {
    fn id(&self) -> &str;
}

/// Where a list is and how it pages.
pub(super) enum List {
    /// POST with `page` and `pageSize` in the body, answered by `{totalCount, data}` or `{paging: {totalCount}, content}`.
    Body {
        path: Vec<String>,
        media: Media,
        body: Map<String, Value>,
    },
    /// `page` (from 0) and `size` in the query, answered by `{content, totalElements, last}`, or a bare array.
    Query {
        method: Method,
        path: Vec<String>,
        body: Option<Value>,
    },
    /// GET with `page` (from 0) and `size`, in no order: of rows that have no name to sort by. Answered by `{paging, content}`.
    Unordered { path: Vec<String> },
}

impl List {
    fn request(&self, page: u32) -> Request {
        match self {
            List::Body { path, media, body } => {
                let mut body = body.clone();
                body.insert("page".into(), page.into());
                body.insert("pageSize".into(), PAGE_SIZE.into());
                Request::read(Method::POST, path).media(*media).json(&body, Vec::new())
            }
            List::Query { method, path, body } => {
                let request = Request::read(method.clone(), path)
                    .query("page", page)
                    .query("size", PAGE_SIZE)
                    .query("sort", "name,asc");
                match body {
                    Some(body) => request.json(body, Vec::new()),
                    None => request,
                }
            }
            List::Unordered { path } => Request::read(Method::GET, path)
                .query("page", page)
                .query("size", PAGE_SIZE),
        }
    }
}

/// A list being read. After an error, the next call asks for the *same* page again: no row is lost, none comes twice.
pub struct Sweep<T> {
    r1: R1,
    list: List,
    cursor: Cursor,
    rows: PhantomData<fn() -> T>,
}

impl<T: Row> Sweep<T> {
    pub(super) fn new(r1: &R1, list: List) -> Self {
        Sweep {
            r1: r1.clone(),
            list,
            cursor: Cursor::default(),
            rows: PhantomData,
        }
    }

    /// The next rows not seen before (never an empty list), or `None` at the end. One call and one permit for each page.
    pub async fn next(&mut self, gate: &dyn Gate) -> Result<Option<Vec<T>>, CallError> {
        while let Some(page) = self.cursor.page() {
            let (wire, list) = (&self.r1.wire, &self.list);
            let answer = match asked(gate, |permit| wire.call(permit, list.request(page))).await {
                // "Page must be at least 1": the other opinion on where pages start.
                Err(CallError::Rejected { status: 400, .. }) if self.cursor.may_start_at_one() => {
                    self.cursor.start_at_one();
                    continue;
                }
                answer => answer?,
            };
            let PageOf { rows, total, last } = match answer.json() {
                Some(body) if body.trim_ascii_start().starts_with(b"[") => PageOf {
                    rows: answer.parse::<Vec<T>>()?,
                    total: None,
                    last: None,
                },
                _ => {
                    let body: PageBody<T> = answer.parse()?;
                    let rows = body.data.ok_or_else(|| answer.malformed("a page without rows"))?;
                    PageOf {
                        rows,
                        total: body.total_count.or(body.paging.and_then(|p| p.total_count)),
                        last: body.last,
                    }
                }
            };
            if self.cursor.pages_read >= PAGES_MAX {
                return Err(answer.malformed(&format!("the list does not end after {PAGES_MAX} pages")));
            }
            let fresh = self.cursor.accept(rows, total, last);
            if !fresh.is_empty() {
                return Ok(Some(fresh));
            }
        }
        Ok(None)
    }

    /// Hands every row to `visitor`. After an error it goes on where it stopped when called again.
    pub async fn visit(&mut self, gate: &dyn Gate, mut visitor: impl FnMut(T) + Send) -> Result<(), CallError> {
        while let Some(rows) = self.next(gate).await? {
            rows.into_iter().for_each(&mut visitor);
        }
        Ok(())
    }

    /// All rows that are left.
    pub async fn collect(mut self, gate: &dyn Gate) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        self.visit(gate, |row| all.push(row)).await?;
        Ok(all)
    }

    /// Rows seen so far.
    pub fn seen(&self) -> usize {
        self.cursor.seen.len()
    }

    /// Whether all rows announced would be on one page.
    pub fn fits_a_page(&self) -> bool {
        self.cursor.total.is_some_and(|total| total <= u64::from(PAGE_SIZE))
    }

    /// Whether the list was read to its end, and all rows announced were seen.
    pub fn is_whole(&self) -> bool {
        self.cursor.ended && self.missing() == 0
    }

    /// Rows the controller announced and never showed, at the end of the list: others may be deleting meanwhile, or its count is
    /// wrong. Rows may then be missing here that exist there.
    pub fn missing(&self) -> u64 {
        self.cursor
            .total
            .unwrap_or(0)
            .saturating_sub(self.cursor.seen.len() as u64)
    }
}

struct PageOf<T> {
    rows: Vec<T>,
    total: Option<u64>,
    last: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct PageBody<T> {
    #[serde(alias = "content")]
    data: Option<Vec<T>>,
    #[serde(alias = "totalElements")]
    total_count: Option<u64>,
    /// Where the total of adaptive policies and their sets stands.
    paging: Option<Paging>,
    last: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paging {
    total_count: Option<u64>,
}

/// Which page is next, and whether there is one. Pure.
#[derive(Default)]
struct Cursor {
    seen: HashSet<String>,
    page: u32,
    start: u32,
    total: Option<u64>,
    pages_read: u32,
    /// In the second pass: the page at which the first one ended.
    second_pass_to: Option<u32>,
    ended: bool,
}

impl Cursor {
    fn page(&self) -> Option<u32> {
        (!self.ended).then_some(self.page)
    }

    fn may_start_at_one(&self) -> bool {
        self.page == 0 && self.pages_read == 0
    }

    fn start_at_one(&mut self) {
        self.start = 1;
        self.page = 1;
    }

    fn accept<T: Row>(&mut self, mut rows: Vec<T>, total: Option<u64>, last: Option<bool>) -> Vec<T> {
        let on_page = rows.len();
        rows.retain(|row| !self.seen.contains(row.id()) && self.seen.insert(row.id().to_owned()));
        self.total = total.or(self.total);
        self.pages_read += 1;
        let all_seen = self.total.is_none_or(|t| self.seen.len() as u64 >= t);
        let full = on_page >= PAGE_SIZE as usize;
        // A full page that completes the announced total is followed by one look further: search engines cap totals (at 10,000).
        // `last` saves that look where there is one.
        let complete = all_seen && (!full || last == Some(true));
        self.page += 1;
        let at_end = match self.second_pass_to {
            // Where page 0 and page 1 are the same page, or page 0 is empty, "nothing new" is no end before page 2.
            None => rows.is_empty() && (self.page > 2 || all_seen),
            Some(end) => self.page >= end,
        };
        if complete || (at_end && (all_seen || self.second_pass_to.is_some())) {
            self.ended = true;
        } else if at_end {
            // Rows announced and not shown: pages may have shifted under us while others wrote. Once more from the start.
            self.second_pass_to = Some(self.page);
            self.page = self.start;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct R(String);
    impl Row for R {
        fn id(&self) -> &str {
            &self.0
        }
    }

    /// Reads a list whose page `p` is given by `page_of`; returns rows and calls.
    fn read(page_of: impl Fn(u32) -> (Vec<usize>, Option<u64>, Option<bool>)) -> (usize, u32) {
        let mut cursor = Cursor::default();
        let mut rows = 0;
        while let Some(page) = cursor.page() {
            assert!(cursor.pages_read < 100, "does not end");
            let (ids, total, last) = page_of(page);
            rows += cursor
                .accept(ids.into_iter().map(|i| R(i.to_string())).collect(), total, last)
                .len();
        }
        (rows, cursor.pages_read)
    }

    fn slice(n: usize, size: usize, page: u32) -> Vec<usize> {
        (0..n).skip(page as usize * size).take(size).collect()
    }

    #[test]
    fn honest_lists_cost_no_call_too_many() {
        assert_eq!(read(|p| (slice(0, 500, p), Some(0), None)), (0, 1));
        assert_eq!(read(|p| (slice(7, 500, p), Some(7), None)), (7, 1));
        assert_eq!(read(|p| (slice(1201, 500, p), Some(1201), None)), (1201, 3));
        assert_eq!(read(|p| (slice(1000, 500, p), Some(1000), Some(p == 1))), (1000, 2));
        assert_eq!(read(|p| (slice(3, 500, p), None, None)), (3, 1), "a bare array");
    }

    #[test]
    fn pages_counted_from_one_are_read_whole() {
        assert_eq!(
            read(|p| (slice(1201, 500, p.saturating_sub(1)), Some(1201), None)).0,
            1201,
            "page 0 is page 1"
        );
        let empty_first = |p: u32| if p == 0 { Vec::new() } else { slice(1201, 500, p - 1) };
        assert_eq!(read(|p| (empty_first(p), Some(1201), None)).0, 1201, "page 0 is empty");
    }

    #[test]
    fn silent_caps_and_false_totals_lose_no_row() {
        assert_eq!(
            read(|p| (slice(1201, 100, p), Some(1201), None)).0,
            1201,
            "pages capped at 100"
        );
        assert_eq!(
            read(|p| (slice(1201, 500, p), Some(1000), None)).0,
            1201,
            "total capped at 1000"
        );
        assert_eq!(
            read(|p| (slice(1201, 500, p), Some(1500), None)).0,
            1201,
            "total too high: ends all the same"
        );
        assert_eq!(
            read(|p| (slice(1201, 500, p), Some(1201), Some(true))).0,
            1201,
            "always the last page"
        );
    }

    #[test]
    fn a_list_that_shifts_is_read_a_second_time() {
        // Row 500 hides behind the page border during the first pass.
        let pass = std::cell::Cell::new(0);
        let page_of = |p: u32| {
            if p == 0 {
                pass.set(pass.get() + 1);
            }
            let mut ids = slice(800, 500, p);
            if pass.get() == 1 {
                ids.retain(|&i| i != 500);
            }
            (ids, Some(800), None)
        };
        assert_eq!(read(page_of).0, 800);
    }
}

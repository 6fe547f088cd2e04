//! The two paging styles of RUCKUS One: Spring query parameters (0-based) and page/pageSize in the body.

use serde_json::{Map, Value, json};

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Page number as sent back.
    pub number: u64,
    /// Rows to pass over.
    pub skip: usize,
    /// Rows a page, after the silent cap.
    pub size: usize,
    /// Field to sort by; `None`: order of creation.
    pub sort: Option<String>,
    /// Descending.
    pub descending: bool,
    /// Fields to show; empty: all.
    pub fields: Vec<String>,
    /// Finds nothing, whatever there is.
    pub nothing: bool,
}

impl Page {
    /// From `page=0&size=20&sort=name,asc`.
    pub fn spring(query: &str, cap: usize) -> Self {
        let mut page = Self {
            number: 0,
            skip: 0,
            size: 20,
            sort: None,
            descending: false,
            fields: Vec::new(),
            nothing: false,
        };
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match key.as_ref() {
                "page" => page.number = value.parse().unwrap_or(0),
                "size" => page.size = value.parse().unwrap_or(20).max(1),
                "sort" => {
                    let (field, order) = value.split_once(',').unwrap_or((&value, "asc"));
                    page.sort = Some(field.to_owned()).filter(|field| !field.is_empty());
                    page.descending = order.eq_ignore_ascii_case("desc");
                }
                _ => {}
            }
        }
        page.size = page.size.min(cap);
        page.skip = (page.number as usize).saturating_mul(page.size);
        page
    }

    /// From a body whose first page is `first`; `default_size` when it names none.
    pub fn body(body: &Value, first: u64, default_size: usize, cap: usize) -> Self {
        let number = body["page"].as_u64().unwrap_or(first);
        let size = body["pageSize"]
            .as_u64()
            .map_or(default_size, |size| size as usize)
            .clamp(1, cap);
        let strings = |value: &Value| {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        Self {
            number,
            skip: (number.saturating_sub(first) as usize).saturating_mul(size),
            size,
            sort: body["sortField"]
                .as_str()
                .filter(|field| !field.is_empty())
                .map(str::to_owned),
            descending: body["sortOrder"]
                .as_str()
                .is_some_and(|order| order.eq_ignore_ascii_case("desc")),
            fields: strings(&body["fields"]),
            nothing: false,
        }
    }

    /// The page object of Spring.
    pub fn spring_answer(&self, total: usize, content: Vec<Value>) -> Value {
        let pages = total.div_ceil(self.size);
        let sort =
            json!({"empty": self.sort.is_none(), "sorted": self.sort.is_some(), "unsorted": self.sort.is_none()});
        json!({
            "totalElements": total, "totalPages": pages, "size": self.size, "number": self.number,
            "numberOfElements": content.len(), "first": self.number == 0, "last": self.number as usize + 1 >= pages,
            "empty": content.is_empty(), "sort": sort,
            "pageable": {"offset": self.skip, "sort": sort, "pageNumber": self.number, "pageSize": self.size,
                         "paged": true, "unpaged": false},
            "content": content,
        })
    }

    /// `{fields,totalCount,totalPages,page,data}`.
    pub fn body_answer(&self, total: usize, data: Vec<Value>) -> Value {
        let data: Vec<Value> = data.into_iter().map(|row| self.project(row)).collect();
        json!({"fields": self.fields, "totalCount": total, "totalPages": total.div_ceil(self.size), "page": self.number, "data": data})
    }

    fn project(&self, row: Value) -> Value {
        match row {
            Value::Object(map) if !self.fields.is_empty() => map
                .into_iter()
                .filter(|(key, _)| self.fields.contains(key))
                .collect::<Map<_, _>>()
                .into(),
            row => row,
        }
    }

    /// Sorts, cuts out the page and says how many rows there are. `key` gives the text a row is sorted by.
    pub fn cut<'r, T>(&self, mut rows: Vec<&'r T>, key: impl Fn(&T, &str) -> String) -> (usize, Vec<&'r T>) {
        if self.nothing {
            return (0, Vec::new());
        }
        if let Some(field) = &self.sort {
            rows.sort_by_cached_key(|row| key(row, field));
        }
        if self.descending {
            rows.reverse();
        }
        (rows.len(), rows.into_iter().skip(self.skip).take(self.size).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spring_counts_pages_from_zero() {
        let page = Page::spring("page=2&size=10&sort=name,desc", 2000);
        assert_eq!((page.skip, page.size, page.descending), (20, 10, true));
        let answer = page.spring_answer(25, vec![Value::Null; 5]);
        assert_eq!(
            (&answer["last"], &answer["totalPages"], &answer["number"]),
            (&json!(true), &json!(3), &json!(2))
        );
        assert_eq!(Page::spring("", 2000).size, 20);
    }

    #[test]
    fn larger_pages_are_cut_without_a_word() {
        assert_eq!(Page::spring("size=5000", 2000).size, 2000);
        assert_eq!(
            Page::body(&json!({"page": 2, "pageSize": 5000}), 1, 20, 2000).skip,
            2000
        );
    }

    #[test]
    fn page_zero_of_a_one_based_list_is_the_first() {
        let skip = |page: u64| Page::body(&json!({"page": page, "pageSize": 10}), 1, 20, 2000).skip;
        assert_eq!((skip(0), skip(1), skip(2)), (0, 0, 10));
    }
}

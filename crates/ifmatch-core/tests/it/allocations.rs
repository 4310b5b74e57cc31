//! The engine allocates nothing on the way that is usually taken.

use http::Method;
use http::header::{HeaderMap, HeaderValue, IF_MATCH};
use ifmatch_core::{CurrentState, EntityTag, HttpDate, Judge, Outcome, Policy, Representation};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "counting allocations needs an allocator")]
// SAFETY: everything is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_valid_single_tag_is_judged_without_allocating() {
    let policy = Policy::store("all");
    let now = HttpDate::from_unix(1_795_000_000);
    let mut headers = HeaderMap::new();
    headers.insert(IF_MATCH, HeaderValue::from_static("\"k3v9-42\""));
    let state = |tag: &'static str| {
        CurrentState::Present(Representation {
            etag: EntityTag::parse(tag.as_bytes()),
            last_modified: Some(now),
            content_bytes: Some(10),
        })
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let count = allocations(|| {
            let judge = Judge::new(&method, &headers, &policy, now);
            assert!(judge.on_head().is_ok());
            assert!(matches!(judge.on_state(&state("\"k3v9-42\"")), Outcome::Perform(_) | Outcome::Send(_)));
        });
        assert_eq!(count, 0, "{method}");
    }
    // The counter counts: a refusal does allocate.
    let refused = allocations(|| {
        let judge = Judge::new(&Method::PUT, &headers, &policy, now);
        assert!(matches!(judge.on_state(&state("\"k3v9-43\"")), Outcome::Refused(_)));
    });
    assert!(refused > 0);
}

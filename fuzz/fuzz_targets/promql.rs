//! Any text as a query: never a panic, and what is shared reads back as a query that can be shared.
#![no_main]

use flyball::sources::prometheus::fuse::{FuseLimits, MAX_QUERY_BYTES, Template, fuse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(template) = Template::of(text) else { return };
    let alone = fuse(&[&template], FuseLimits::default());
    assert_eq!(&*alone[0].promql, text);
    // The shape is a query itself, of another member.
    let shape = template.shape().as_str();
    if shape.len() > MAX_QUERY_BYTES {
        return; // numbers such as 1e300 are written out
    }
    let Ok(other) = Template::of(shape) else { panic!("{shape}") };
    assert_eq!(other.shape(), template.shape());
    if other.values() != template.values() {
        let shared = fuse(&[&template, &other], FuseLimits { query_bytes: usize::MAX, ..FuseLimits::default() });
        assert_eq!(shared.len(), 1);
        assert_eq!(shared[0].members().len(), 2);
    }
});

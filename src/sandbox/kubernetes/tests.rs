//! What only the sandbox can show: determinism, compaction, faults. What the real server does too is in `tests/api_suite`.

"""The benchmarks: `make bench`. What is measured and how stands in docs/benchmarks.md."""

"""What the console costs, measured on the real program. docs/benchmarks.md tells how to run and read them."""

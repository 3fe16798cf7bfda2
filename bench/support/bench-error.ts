/** What went wrong in words for whoever started the benchmark; its stack would say nothing. */
export class BenchError extends Error {}

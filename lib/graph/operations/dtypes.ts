/** What an activation can be in. */
export const FLOATS = ['f32', 'bf16', 'f16'] as const;

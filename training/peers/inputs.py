"""What contestants are given, beside the model: u8 pictures and f32 questions."""

PIXELS, QUESTIONS = "pixels.u8", "questions.f32"

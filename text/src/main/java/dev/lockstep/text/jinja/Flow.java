package dev.lockstep.text.jinja;

/// The way a body ended, for its enclosing loop.
enum Flow {
    NORMAL,
    BREAK,
    CONTINUE
}

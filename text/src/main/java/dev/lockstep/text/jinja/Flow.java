package dev.lockstep.text.jinja;

/// How a body ended, for the loop around it.
enum Flow {
    NORMAL,
    BREAK,
    CONTINUE
}

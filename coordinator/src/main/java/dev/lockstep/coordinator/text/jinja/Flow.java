package dev.lockstep.coordinator.text.jinja;

/// How a body ended, for the loop around it.
enum Flow {
    NORMAL,
    BREAK,
    CONTINUE
}

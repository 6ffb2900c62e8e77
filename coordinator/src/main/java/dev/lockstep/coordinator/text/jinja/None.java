package dev.lockstep.coordinator.text.jinja;

/// The value `none`, so that no Java null moves through an evaluation.
enum None {
    NONE
}

package dev.lockstep.text.jinja;

/// The value `none`, so that no Java null moves through an evaluation.
enum None {
    NONE
}

package dev.lockstep.text;

/// One step from text to the words that are tokenized by themselves; immutable.
@FunctionalInterface
interface PreTokenizer {
    Pieces apply(Pieces pieces);
}

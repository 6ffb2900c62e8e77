package dev.lockstep.text;

/// Turns one word, already normalized, into token ids; immutable but for its word cache, shared by
/// all threads.
interface TokenModel {
    /// Appends the ids of `text[from, to)`, which is not empty.
    void encode(char[] text, int from, int to, IntList ids);
}

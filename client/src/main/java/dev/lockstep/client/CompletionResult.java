package dev.lockstep.client;

/// A finished answer.
///
/// @param truncated the answer ended because of a length, not by itself
public record CompletionResult(
        String text, int promptTokens, int completionTokens, boolean truncated) {}

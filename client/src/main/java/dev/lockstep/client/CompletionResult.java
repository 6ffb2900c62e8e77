// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

/// A finished completion.
///
/// @param text the whole generated text
/// @param promptTokens tokens of the input
/// @param completionTokens tokens generated
/// @param truncated whether a length limit ended the text, not an end token or a stop string
public record CompletionResult(
        String text, int promptTokens, int completionTokens, boolean truncated) {}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// A completion request. An empty field gets the server's default. The server checks the ranges: a
/// value outside its range fails the request with a [LockstepException].
///
/// @param model the name of a served model
/// @param input a prompt, or the messages of a chat
/// @param maxTokens limit of generated tokens, at least 1; default 16 for a prompt, the rest of the
///   context for a chat
/// @param temperature 0 to 2, 0 is greedy; default the model's, or else 1
/// @param seed of the sampler; default random
/// @param stop up to 64 texts of 1 to 4096 characters that end the completion and are not part of
///   it
/// @param options scheduling and caching options
public record CompletionRequest(
        String model,
        Input input,
        OptionalInt maxTokens,
        OptionalDouble temperature,
        OptionalLong seed,
        List<String> stop,
        CompletionOptions options) {

    /// The input that a completion continues.
    public sealed interface Input {
        /// A text to continue.
        record Prompt(String text) implements Input {}

        /// The messages of a chat, oldest first.
        record Chat(List<Message> messages) implements Input {
            public Chat {
                messages = List.copyOf(messages);
            }
        }
    }

    /// One turn of a chat.
    ///
    /// @param role `system`, `user` or `assistant`
    public record Message(String role, String content) {}

    public CompletionRequest {
        stop = List.copyOf(stop);
    }

    /// Creates a request that answers a chat of one user message.
    public static CompletionRequest user(String model, String content) {
        return of(model, new Input.Chat(List.of(new Message("user", content))));
    }

    /// Creates a request that continues a text.
    public static CompletionRequest prompt(String model, String text) {
        return of(model, new Input.Prompt(text));
    }

    private static CompletionRequest of(String model, Input input) {
        return new CompletionRequest(
                model,
                input,
                OptionalInt.empty(),
                OptionalDouble.empty(),
                OptionalLong.empty(),
                List.of(),
                CompletionOptions.DEFAULT);
    }

    /// Limits the number of generated tokens.
    public CompletionRequest withMaxTokens(int tokens) {
        return new CompletionRequest(
                model, input, OptionalInt.of(tokens), temperature, seed, stop, options);
    }

    /// Sets the sampling temperature, 0 to 2; 0 is greedy.
    public CompletionRequest withTemperature(double value) {
        return new CompletionRequest(
                model, input, maxTokens, OptionalDouble.of(value), seed, stop, options);
    }

    /// Sets the seed of the sampler; -1 for a random one.
    public CompletionRequest withSeed(long value) {
        return new CompletionRequest(
                model, input, maxTokens, temperature, OptionalLong.of(value), stop, options);
    }

    /// Replaces the stop strings.
    public CompletionRequest withStop(String... texts) {
        return new CompletionRequest(
                model, input, maxTokens, temperature, seed, List.of(texts), options);
    }

    /// Replaces the scheduling and caching options.
    public CompletionRequest withOptions(CompletionOptions value) {
        return new CompletionRequest(model, input, maxTokens, temperature, seed, stop, value);
    }
}

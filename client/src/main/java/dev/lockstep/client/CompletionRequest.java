package dev.lockstep.client;

import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// One request. What is left empty gets the server's default.
///
/// @param input a prompt, or the messages of a chat
/// @param maxTokens new tokens
/// @param temperature 0 is greedy
/// @param stop texts that end the answer, not part of it
public record CompletionRequest(
        String model,
        Input input,
        OptionalInt maxTokens,
        OptionalDouble temperature,
        OptionalLong seed,
        List<String> stop,
        CompletionOptions options) {

    /// What an answer continues.
    public sealed interface Input {
        /// A text to go on with.
        record Prompt(String text) implements Input {}

        /// What was said so far.
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

    /// A chat of one user message.
    public static CompletionRequest user(String model, String content) {
        return of(model, new Input.Chat(List.of(new Message("user", content))));
    }

    /// A text to go on with.
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

    public CompletionRequest withMaxTokens(int tokens) {
        return new CompletionRequest(
                model, input, OptionalInt.of(tokens), temperature, seed, stop, options);
    }

    public CompletionRequest withTemperature(double value) {
        return new CompletionRequest(
                model, input, maxTokens, OptionalDouble.of(value), seed, stop, options);
    }

    public CompletionRequest withSeed(long value) {
        return new CompletionRequest(
                model, input, maxTokens, temperature, OptionalLong.of(value), stop, options);
    }

    public CompletionRequest withStop(String... texts) {
        return new CompletionRequest(
                model, input, maxTokens, temperature, seed, List.of(texts), options);
    }

    public CompletionRequest withTerms(CompletionOptions value) {
        return new CompletionRequest(model, input, maxTokens, temperature, seed, stop, value);
    }
}

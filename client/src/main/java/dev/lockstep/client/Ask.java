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
public record Ask(
        String model,
        Input input,
        OptionalInt maxTokens,
        OptionalDouble temperature,
        OptionalLong seed,
        List<String> stop,
        Terms terms) {

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

    public Ask {
        stop = List.copyOf(stop);
    }

    /// A chat of one user message.
    public static Ask user(String model, String content) {
        return of(model, new Input.Chat(List.of(new Message("user", content))));
    }

    /// A text to go on with.
    public static Ask prompt(String model, String text) {
        return of(model, new Input.Prompt(text));
    }

    private static Ask of(String model, Input input) {
        return new Ask(
                model,
                input,
                OptionalInt.empty(),
                OptionalDouble.empty(),
                OptionalLong.empty(),
                List.of(),
                Terms.DEFAULT);
    }

    public Ask withMaxTokens(int tokens) {
        return new Ask(model, input, OptionalInt.of(tokens), temperature, seed, stop, terms);
    }

    public Ask withTemperature(double value) {
        return new Ask(model, input, maxTokens, OptionalDouble.of(value), seed, stop, terms);
    }

    public Ask withSeed(long value) {
        return new Ask(model, input, maxTokens, temperature, OptionalLong.of(value), stop, terms);
    }

    public Ask withStop(String... texts) {
        return new Ask(model, input, maxTokens, temperature, seed, List.of(texts), terms);
    }

    public Ask withTerms(Terms value) {
        return new Ask(model, input, maxTokens, temperature, seed, stop, value);
    }
}

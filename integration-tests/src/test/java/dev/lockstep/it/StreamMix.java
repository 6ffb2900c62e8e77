// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/// Streams of every kind whose answers are known from an undisturbed run: greedy, sampled with a
/// seed, several choices, log-probabilities, penalties, a stop string, a constraint. After any
/// fault each must end once, with the same text, ids, log-probabilities, reason and usage, every
/// position once and in order.
final class StreamMix {
    /// Tries in which a fault may find no running stream.
    static final int TRIES = 3;

    private final List<ObjectNode> bodies;
    private final List<Answer> expected;

    /// An answer: its choices by index, and its usage without what differs by design.
    record Answer(Map<Integer, Generated> choices, JsonNode usage, int migrations) {
        boolean sameAs(Answer other) {
            return choices.equals(other.choices) && usage.equals(other.usage);
        }

        /// Whether all but the bits of log-probabilities is the same.
        boolean readsAs(Answer other) {
            return withoutLogprobs().sameAs(other.withoutLogprobs());
        }

        private Answer withoutLogprobs() {
            var read = new TreeMap<Integer, Generated>();
            choices.forEach(
                    (index, one) ->
                            read.put(
                                    index,
                                    new Generated(
                                            one.text(), one.ids(), List.of(), one.finishReason())));
            return new Answer(read, usage, migrations);
        }
    }

    private StreamMix(List<ObjectNode> bodies, List<Answer> expected) {
        this.bodies = bodies;
        this.expected = expected;
    }

    /// Runs the streams without a fault.
    ///
    /// @param tokens of each choice
    static StreamMix undisturbed(Api api, int tokens) throws Exception {
        List<ObjectNode> bodies = new ArrayList<>();
        bodies.add(body(1, tokens));
        bodies.add(body(2, tokens).put("temperature", 0.9).put("seed", 7));
        bodies.add(body(3, tokens).put("temperature", 1.1).put("seed", 8).put("n", 2));
        bodies.add(body(4, tokens).put("logprobs", 2));
        bodies.add(
                body(5, tokens)
                        .put("temperature", 0.8)
                        .put("seed", 9)
                        .put("presence_penalty", 0.5)
                        .put("frequency_penalty", 0.3)
                        .put("repetition_penalty", 1.1));
        ObjectNode stopped = body(6, tokens).put("temperature", 1).put("seed", 10);
        Generated whole =
                requireNonNull(
                        read(api.stream(CompletionBodies.COMPLETIONS, stopped)).choices().get(0));
        bodies.add(stopped.put("stop", whole.text().substring(whole.text().length() * 3 / 4)));
        ObjectNode constrained = body(7, tokens).put("temperature", 1).put("seed", 11);
        constrained.remove("ignore_eos");
        constrained.putObject("structured_outputs").put("regex", "([a-y]{3}z){40,60}");
        bodies.add(constrained);
        List<Answer> expected =
                Together.map(bodies, body -> read(api.stream(CompletionBodies.COMPLETIONS, body)));
        return new StreamMix(bodies, expected);
    }

    private static ObjectNode body(int first, int tokens) {
        ObjectNode body = CompletionBodies.greedy(List.of(first + 2, 6, 7), tokens);
        body.put("stream", true).putObject("stream_options").put("include_usage", true);
        return body;
    }

    int size() {
        return bodies.size();
    }

    /// Starts every stream and waits for the first event of each. While the group that serves them
    /// is not formed again after an earlier fault, they are refused and asked for again.
    List<Running> begin(Api api) throws Exception {
        List<Running> running = new ArrayList<>();
        for (ObjectNode body : bodies) {
            var stream =
                    new Running(
                            BoundedWait.find(
                                    () -> "a stream is accepted", () -> accepted(api, body)));
            stream.readOne();
            running.add(stream);
        }
        return running;
    }

    /// Returns a stream, or empty if it is refused because no group is formed.
    private static Optional<EventReader> accepted(Api api, ObjectNode body) {
        EventReader events = api.stream(CompletionBodies.COMPLETIONS, body);
        if (events.status() == 503) {
            events.close();
            return Optional.empty();
        }
        return Optional.of(events);
    }

    /// Lets streams whose connection breaks go on at another coordinator.
    static void resumeAt(Api other, List<Running> streams) {
        streams.forEach(stream -> stream.other = Optional.of(other));
    }

    /// A fault that a test causes.
    @FunctionalInterface
    interface Fault {
        void strike() throws Exception;
    }

    /// Begins the streams, lets the fault strike while they run, and requires the answers of the
    /// undisturbed run and that a stream went on after the fault. On a busy machine every stream
    /// may have ended before: then all of it happens again.
    ///
    /// @return the number of migrations of each
    List<Integer> requireUndisturbedBy(Fault fault, Api api) throws Exception {
        List<Integer> migrations = List.of();
        for (int i = 0; i < TRIES && migrations.stream().noneMatch(each -> each > 0); i++) {
            List<Running> streams = begin(api);
            fault.strike();
            migrations = requireUndisturbed(streams);
        }
        assertTrue(
                migrations.stream().anyMatch(each -> each > 0),
                "no stream was running when the fault struck");
        return migrations;
    }

    /// Reads every stream to its end and requires the answers of the undisturbed run. Returns the
    /// number of migrations of each.
    List<Integer> requireUndisturbed(List<Running> streams) throws Exception {
        List<Answer> answers = Together.map(streams, Running::rest);
        List<Integer> migrations = new ArrayList<>();
        for (int i = 0; i < answers.size(); i++) {
            Answer answer = answers.get(i);
            assertTrue(
                    expected.get(i).sameAs(answer),
                    "stream " + i + ": " + answer + ", undisturbed: " + expected.get(i));
            migrations.add(answer.migrations());
        }
        return migrations;
    }

    /// Streams every body, one time after the other as long as `goesOn` says so, and requires what
    /// the undisturbed run says, apart from the bits of log-probabilities. Requests are refused
    /// while no group is formed. Returns how often a stream went on in another epoch.
    int repeat(Api api, BooleanSupplier goesOn) throws Exception {
        List<Integer> streams = IntStream.range(0, bodies.size()).boxed().toList();
        return Together.map(streams, stream -> repeat(api, stream, goesOn)).stream()
                .mapToInt(Integer::intValue)
                .sum();
    }

    private int repeat(Api api, int stream, BooleanSupplier goesOn) throws Exception {
        int migrations = 0;
        while (goesOn.getAsBoolean()) {
            Optional<EventReader> events = accepted(api, bodies.get(stream));
            if (events.isEmpty()) {
                BoundedWait.await(
                        "a group is formed", () -> !goesOn.getAsBoolean() || api.isReady());
                continue;
            }
            Answer answer = read(events.get());
            assertTrue(
                    expected.get(stream).readsAs(answer),
                    "stream " + stream + ": " + answer + ", undisturbed: " + expected.get(stream));
            migrations += answer.migrations();
        }
        return migrations;
    }

    private static Answer read(EventReader events) {
        return new Running(events).rest();
    }

    /// A stream that is being read.
    static final class Running {
        private EventReader events;
        private Optional<Api> other = Optional.empty();
        private int breaks;
        private final Map<Integer, Partial> choices = new TreeMap<>();
        private JsonNode usage = JsonNodes.object();

        private static final class Partial {
            final StringBuilder text = new StringBuilder();
            final List<Integer> ids = new ArrayList<>();
            final List<String> logprobs = new ArrayList<>();
            String finishReason = "";
        }

        Running(EventReader events) {
            this.events = events;
        }

        private boolean readOne() {
            Optional<JsonNode> event = events.next();
            event.ifPresent(this::add);
            return event.isPresent();
        }

        private void add(JsonNode event) {
            assertTrue(event.path("error").isMissingNode(), event::toString);
            if (event.path("usage").isObject()) {
                usage = event.path("usage");
            }
            for (JsonNode choice : event.path("choices")) {
                Partial into =
                        choices.computeIfAbsent(choice.path("index").asInt(), _ -> new Partial());
                assertEquals("", into.finishReason, "a choice ends once");
                into.text.append(choice.path("text").asText());
                into.ids.addAll(JsonNodes.integers(choice.path("token_ids")));
                Generated.addLogprobs(choice.path("logprobs"), into.logprobs);
                if (choice.path("finish_reason").isTextual()) {
                    into.finishReason = choice.path("finish_reason").asText();
                }
            }
        }

        /// How often the connection broke.
        int breaks() {
            return breaks;
        }

        /// Reads this many events.
        void read(int count) {
            for (int i = 0; i < count; i++) {
                readOne();
            }
        }

        private void readToEnd() {
            try (EventReader open = events) {
                while (readOne()) {
                    // Each event is added.
                }
                assertEquals(200, open.status());
                assertTrue(open.isDone(), "the stream ends with [DONE]");
            }
        }

        /// Reads to the end.
        Answer rest() {
            try {
                readToEnd();
            } catch (UncheckedIOException e) {
                breaks++;
                events =
                        other.orElseThrow(() -> e)
                                .resume(events.id(), CompletionBodies.COMPLETIONS);
                readToEnd();
            }
            var whole = new TreeMap<Integer, Generated>();
            choices.forEach(
                    (index, part) ->
                            whole.put(
                                    index,
                                    new Generated(
                                            part.text.toString(),
                                            part.ids,
                                            part.logprobs,
                                            part.finishReason)));
            ObjectNode counts = usage.deepCopy();
            counts.remove(List.of("lockstep", "prompt_tokens_details"));
            return new Answer(whole, counts, usage.at("/lockstep/migrations").asInt());
        }
    }
}

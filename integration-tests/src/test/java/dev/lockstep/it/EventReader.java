// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.coordinator.OpenAiDescription;
import java.util.Iterator;
import java.util.Optional;
import java.util.stream.Stream;

/// A stream of server-sent events. Its creator closes it; an early close disconnects the client.
final class EventReader implements AutoCloseable {
    private static final String DATA = "data: ";
    private static final String ID = "id: ";
    private static final String DONE = "[DONE]";

    private final String path;
    private final int status;
    private final Stream<String> lines;
    private final Iterator<String> iterator;
    private String id = "";

    /// The id of the event whose data comes next.
    private String next = "";

    private boolean done;

    /// @param path of the request, for the comparison of each event with OpenAI's description
    EventReader(String path, int status, Stream<String> lines) {
        this.path = path;
        this.status = status;
        this.lines = lines;
        this.iterator = lines.iterator();
    }

    int status() {
        return status;
    }

    /// Returns the id of the last event that had one, or empty.
    String id() {
        return id;
    }

    /// Returns whether `[DONE]` was read: a stream that ends without it is truncated.
    boolean isDone() {
        return done;
    }

    /// Returns the next event, or empty at the end. A response that is not a stream has one event,
    /// its body.
    ///
    /// @throws java.io.UncheckedIOException when the connection breaks
    Optional<JsonNode> next() {
        while (iterator.hasNext()) {
            String line = iterator.next();
            if (status != 200) {
                return Optional.of(JsonNodes.parse(line));
            }
            // The name of an event is its type, too.
            if (line.isEmpty() || line.startsWith(":") || line.startsWith("event: ")) {
                continue;
            }
            if (line.startsWith(ID)) {
                next = line.substring(ID.length());
                continue;
            }
            assertFalse(done, () -> "after [DONE]: " + line);
            String data = line.substring(DATA.length());
            id = next;
            if (!data.equals(DONE)) {
                JsonNode event = JsonNodes.parse(data);
                OpenAiDescription.checkEvent(path, event);
                return Optional.of(event);
            }
            done = true;
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        lines.close();
    }
}

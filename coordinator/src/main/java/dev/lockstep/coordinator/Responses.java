// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The responses that clients can ask for: those that run, and those that are stored. Safe for any
/// thread.
final class Responses {
    private static final Logger LOG = LogManager.getLogger(Responses.class);

    private final ResponseStore store;
    private final RequestMemory memory;

    /// Those that are to be stored at their end; no more than requests are open.
    private final Map<String, RunningResponse> running = new ConcurrentHashMap<>();

    /// @param memory for the trees of stored responses
    Responses(ResponseStore store, RequestMemory memory) {
        this.store = store;
        this.memory = memory;
    }

    /// A stored response in memory; `close` releases the memory.
    record Held(StoredResponse response, RequestMemory.Reservation memory)
            implements AutoCloseable {
        @Override
        public void close() {
            memory.close();
        }
    }

    /// Lets clients ask for a response until it ends. One with its id goes on elsewhere.
    void begin(RunningResponse response) {
        running.put(response.id(), response);
    }

    /// Stores a response that has ended, if it was to be stored.
    void end(RunningResponse response) {
        try {
            if (response.equals(running.get(response.id())) && !response.isForgotten()) {
                store.put(
                        response.owner(),
                        response.id(),
                        StoredResponse.bytes(
                                response.snapshot(), response.input(), response.cuts()));
            }
        } catch (IOException e) {
            LOG.error("response {} cannot be stored: {}", response.id(), e.toString());
            throw ApiError.internal(
                    "the response cannot be stored; the coordinator's log says why");
        } finally {
            running.remove(response.id(), response);
        }
    }

    Optional<RunningResponse> running(ResponseOwner owner, String id) {
        return Optional.ofNullable(running.get(id))
                .filter(response -> response.owner().equals(owner));
    }

    /// Reads a stored response. One that is not running any more is stored; one whose file is
    /// damaged is not there.
    Optional<Held> stored(ResponseOwner owner, String id) {
        Optional<byte[]> bytes;
        try {
            bytes = store.find(owner, id);
        } catch (IOException e) {
            LOG.error("response {} cannot be read: {}", id, e.toString());
            throw ApiError.internal("the response cannot be read; the coordinator's log says why");
        }
        try {
            return bytes.isEmpty() ? Optional.empty() : Optional.of(held(bytes.get()));
        } catch (IOException e) {
            // The text of the exception may quote the response.
            LOG.warn("the stored response {} is damaged and counts as absent", id);
            return Optional.empty();
        }
    }

    private Held held(byte[] bytes) throws IOException {
        RequestMemory.Reservation reservation = reserve(bytes, new byte[0]);
        try {
            return new Held(StoredResponse.parse(bytes), reservation);
        } catch (IOException | RuntimeException e) {
            reservation.close();
            throw e;
        }
    }

    /// Reserves the memory of a tree of JSON, and of bytes.
    RequestMemory.Reservation reserve(byte[] tree, byte[] bytes) {
        long weight = JsonWeight.of(tree, memory.capacity()) + bytes.length;
        memory.requireFits(weight, tree.length + bytes.length);
        return memory.reserve(weight);
    }

    /// Removes a stored response.
    ///
    /// @return whether it was stored
    boolean remove(ResponseOwner owner, String id) {
        try {
            return store.remove(owner, id);
        } catch (IOException e) {
            LOG.error("response {} cannot be removed: {}", id, e.toString());
            throw ApiError.internal(
                    "the response cannot be removed; the coordinator's log says why");
        }
    }
}

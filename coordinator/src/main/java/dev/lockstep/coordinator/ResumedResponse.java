// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.journal.JournaledResponse;
import dev.lockstep.proto.v1.ResponseRecord;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/// A response that was begun before, perhaps by another coordinator, and goes on for a new reader.
///
/// @param record as it was kept at the scheduler
/// @param key the digest of its idempotency key, or empty
/// @param reader the number of the new reader, later than those before
/// @param age since it was begun
/// @param from what the reader has of it
/// @param runs where its prompts can be attached to; the others are generated again, with the same
///   result
/// @param journaled what the journal has of it
/// @param read whether a coordinator reads it while it runs
record ResumedResponse(
        String id,
        ResponseOwner owner,
        ResponseRecord record,
        String key,
        int reader,
        Duration age,
        EventPlace from,
        Map<Integer, Run> runs,
        Optional<JournaledResponse> journaled,
        boolean read) {
    /// A kept request.
    ///
    /// @param scheduler the id of the one that keeps it
    record Run(String scheduler, String requestId) {}

    ResumedResponse {
        runs = Map.copyOf(runs);
    }

    /// Whether its client may repeat the request.
    boolean isRepeatable() {
        return !key.isEmpty();
    }

    Optional<Run> run(int prompt) {
        return Optional.ofNullable(runs.get(prompt));
    }

    ResumedResponse from(EventPlace place) {
        return new ResumedResponse(
                id, owner, record, key, reader, age, place, runs, journaled, read);
    }
}

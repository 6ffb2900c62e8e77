// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.Arrays;

/// How far a stream is, and which of its chunks its client has from before. Confined to the thread
/// of its completion.
///
/// The chunks of a token, and of the end of a choice, are the same in every run; how many tokens
/// arrive at once is not. So each chunk is named by its token and its number among the token's.
final class StreamPlace {
    private final String response;
    private final boolean named;
    private final EventPlace from;

    /// For each choice the whole tokens that were sent, and chunks of the next; negative before its
    /// first chunk.
    private final int[] positions;

    private final int[] chunks;
    private int next;
    private boolean complete;

    /// @param named whether the events have ids
    /// @param from what the client has
    StreamPlace(String response, int choices, boolean named, EventPlace from) {
        this.response = response;
        this.named = named && choices <= EventPlace.MAX_CHOICES;
        this.from = from;
        this.positions = new int[choices];
        this.chunks = new int[choices];
        Arrays.fill(positions, -1);
    }

    static StreamPlace of(PreparedRequest request) {
        return new StreamPlace(
                request.id(),
                request.choices(),
                request.client().isPresent(),
                request.resumed()
                        .map(ResumedResponse::from)
                        .orElseGet(() -> EventPlace.begin(request.id())));
    }

    /// Counts the opening of a choice. Returns whether the client has it.
    boolean open(int choice) {
        positions[choice] = 0;
        return from.end() || from.choices().containsKey(choice);
    }

    /// The next chunks of a choice are those of the token that makes this many.
    ///
    /// @param whole whether the last of the chunks in a row is the token's last
    void at(int position, boolean whole) {
        next = position;
        complete = whole;
    }

    /// Counts the next chunk of a choice. Returns whether the client has it.
    ///
    /// @param last whether it is the last in a row
    boolean count(int choice, boolean last) {
        if (positions[choice] < next - 1) {
            positions[choice] = next - 1;
            chunks[choice] = 0;
        }
        int chunk = chunks[choice]++;
        if (last && complete) {
            positions[choice] = next;
            chunks[choice] = 0;
        }
        EventPlace.Step has = from.choices().get(choice);
        return from.end()
                || (has != null
                        && (next <= has.position()
                                || (next - 1 == has.position() && chunk < has.chunks())));
    }

    /// Returns whether the client has the last event.
    boolean hasEnd() {
        return from.end();
    }

    /// Returns the id of the event that was counted last; empty if the response cannot be resumed.
    String id() {
        if (!named) {
            return "";
        }
        var id = new StringBuilder(response).append('/');
        for (int choice = 0; choice < positions.length; choice++) {
            if (positions[choice] >= 0) {
                id.append(id.charAt(id.length() - 1) == '/' ? "" : ",");
                id.append(choice).append(':').append(positions[choice]);
                if (chunks[choice] > 0) {
                    id.append('.').append(chunks[choice]);
                }
            }
        }
        return id.toString();
    }

    /// Returns the id of the last event.
    String endId() {
        return named ? response + "/end" : "";
    }
}

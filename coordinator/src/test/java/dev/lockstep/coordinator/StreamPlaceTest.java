// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StreamPlaceTest {
    private static final String ID = "cmpl-1";

    private static StreamPlace place(EventPlace from) {
        return new StreamPlace(ID, 2, true, from);
    }

    /// Writes two choices whose tokens have one, no, and three chunks, and whose ends have two.
    /// Returns the ids of the events that the client has not, and their texts.
    private static List<String> events(StreamPlace place, boolean ids) {
        List<String> events = new ArrayList<>();
        for (int choice = 0; choice < 2; choice++) {
            if (!place.open(choice)) {
                events.add(ids ? place.id() : choice + " opens");
            }
        }
        for (int position = 1; position <= 4; position++) {
            for (int choice = 0; choice < 2; choice++) {
                int chunks = List.of(1, 0, 3, 2).get(position - 1);
                for (int i = 0; i < chunks; i++) {
                    boolean isEnd = position == 4;
                    place.at(position, !isEnd || i == 1);
                    if (!place.count(choice, isEnd || i == chunks - 1)) {
                        events.add(ids ? place.id() : choice + " " + position + " " + i);
                    }
                }
            }
        }
        if (!place.hasEnd()) {
            events.add(ids ? place.endId() : "end");
        }
        return events;
    }

    @Test
    void everyEventIsThePlaceAfterIt() {
        List<String> ids = events(place(EventPlace.begin(ID)), true);
        List<String> texts = events(place(EventPlace.begin(ID)), false);
        assertEquals(ID + "/0:0", ids.get(0));
        assertEquals(ID + "/0:0,1:0", ids.get(1));
        assertTrue(ids.contains(ID + "/0:2.2,1:1"), ids::toString);
        assertTrue(ids.contains(ID + "/0:3.1,1:3"), ids::toString);
        assertEquals(ids.size(), ids.stream().distinct().count());
        for (int i = 0; i < ids.size(); i++) {
            EventPlace from = EventPlace.parse("id", ids.get(i));
            assertEquals(
                    texts.subList(i + 1, texts.size()), events(place(from), false), ids.get(i));
        }
    }

    @Test
    void aStreamThatCannotBeResumedHasNoIds() {
        var none = new StreamPlace(ID, 2, false, EventPlace.begin(ID));
        assertTrue(events(none, true).stream().allMatch(String::isEmpty));
        var many = new StreamPlace(ID, 129, true, EventPlace.begin(ID));
        assertTrue(events(many, true).stream().allMatch(String::isEmpty));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "/0:1",
                "a/",
                "a/0",
                "a/0:1,",
                "a/0:-1",
                "a/0:1.",
                "a b",
                "a/0:9999999999"
            })
    void anIdOfAnotherFormIsRefused(String id) {
        ApiError error = assertThrows(ApiError.class, () -> EventPlace.parse("from", id));
        assertTrue(error.message().startsWith("from is \"" + id), error::message);
    }
}

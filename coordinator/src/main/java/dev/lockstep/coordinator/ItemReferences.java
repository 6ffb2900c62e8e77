// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// The items that references in a request stand for: of the response that it continues, or of
/// another stored one. `close` releases the memory of the latter.
///
/// An item can be referenced once, so that a small request cannot become a large one.
final class ItemReferences implements AutoCloseable {
    private final Responses responses;
    private final ResponseOwner owner;
    private final List<Responses.Held> read = new ArrayList<>();

    /// The items that may be referenced, by their ids.
    private final Map<String, ObjectNode> known = new HashMap<>();

    private final Set<String> searched = new HashSet<>();
    private final Set<String> referenced = new HashSet<>();

    /// @param earlier the items of the response that the request continues
    ItemReferences(Responses responses, ResponseOwner owner, ArrayNode earlier) {
        this.responses = responses;
        this.owner = owner;
        add(earlier);
    }

    /// Returns items in which there are no references.
    List<ObjectNode> resolve(List<ObjectNode> items) {
        List<ObjectNode> resolved = new ArrayList<>();
        for (int i = 0; i < items.size(); i++) {
            ObjectNode item = items.get(i);
            boolean reference = item.path("type").asText().equals(ResponseItems.REFERENCE);
            resolved.add(reference ? item("input[" + i + "].id", item.path("id").asText()) : item);
        }
        return resolved;
    }

    private ObjectNode item(String field, String id) {
        if (!referenced.add(id)) {
            throw ApiError.invalid(
                    field, field + " is \"" + Json.quoted(id) + "\", which is referenced twice");
        }
        if (!known.containsKey(id)) {
            ItemId.response(id).ifPresent(this::read);
        }
        ObjectNode item = known.get(id);
        if (item == null) {
            throw ApiError.invalid(
                    field,
                    "item_not_found",
                    field
                            + " is \""
                            + Json.quoted(id)
                            + "\", and no item of a stored response has this id");
        }
        return item;
    }

    private void read(String response) {
        if (searched.add(response)) {
            responses
                    .stored(owner, response)
                    .ifPresent(
                            held -> {
                                read.add(held);
                                add(held.response().items());
                            });
        }
    }

    private void add(ArrayNode items) {
        items.forEach(item -> known.putIfAbsent(item.path("id").asText(), (ObjectNode) item));
    }

    @Override
    public void close() {
        read.forEach(Responses.Held::close);
    }
}

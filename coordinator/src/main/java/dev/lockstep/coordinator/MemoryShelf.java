// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/// Stored responses in the memory of this process.
final class MemoryShelf implements ResponseShelf {
    private final Map<Place, byte[]> responses = new ConcurrentHashMap<>();

    private record Place(ResponseOwner owner, String id) {}

    @Override
    public List<Entry> list() {
        return List.of();
    }

    @Override
    public void put(ResponseOwner owner, String id, byte[] bytes) {
        responses.put(new Place(owner, id), bytes);
    }

    @Override
    public Optional<byte[]> find(ResponseOwner owner, String id) {
        return Optional.ofNullable(responses.get(new Place(owner, id)));
    }

    @Override
    public boolean remove(ResponseOwner owner, String id) {
        return responses.remove(new Place(owner, id)) != null;
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// The stored responses of all owners, within bounds: the oldest of an owner go first, and when all
/// owners together have too many bytes, the oldest of all. Safe for any thread.
final class ResponseStore {
    private static final Pattern ID = Pattern.compile("resp_[0-9a-f]{32}");

    private final ResponseBounds bounds;
    private final ResponseShelf shelf;

    // Guarded by this; in the order of age.
    private final Map<String, ResponseShelf.Entry> entries = new LinkedHashMap<>();
    private final Map<ResponseOwner, Owned> owners = new HashMap<>();
    private long allBytes;

    /// What one owner has, in the order of age.
    private static final class Owned {
        final Map<String, ResponseShelf.Entry> entries = new LinkedHashMap<>();
        long bytes;
    }

    private ResponseStore(ResponseBounds bounds, ResponseShelf shelf) {
        this.bounds = bounds;
        this.shelf = shelf;
    }

    /// Opens the store, with what its folder has.
    ///
    /// @throws UncheckedIOException with one line, if the folder cannot be used
    static ResponseStore open(ResponseBounds bounds) {
        try {
            ResponseShelf shelf =
                    bounds.folder().isPresent()
                            ? new FolderShelf(bounds.folder().get())
                            : new MemoryShelf();
            var store = new ResponseStore(bounds, shelf);
            for (ResponseShelf.Entry entry : shelf.list()) {
                store.drop(store.added(entry));
            }
            return store;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "--responses-folder: "
                            + bounds.folder().orElseThrow()
                            + " cannot be used: "
                            + e,
                    e);
        }
    }

    static boolean isId(String text) {
        return ID.matcher(text).matches();
    }

    static String requireId(String id) {
        if (!isId(id)) {
            throw new IllegalArgumentException("\"" + id + "\" is not the id of a response");
        }
        return id;
    }

    /// Stores a response. One that exceeds the bounds alone is not kept.
    void put(ResponseOwner owner, String id, byte[] bytes) throws IOException {
        requireId(id);
        if (bounds.count() == 0 || bytes.length > bounds.bytes()) {
            return;
        }
        shelf.put(owner, id, bytes);
        drop(added(new ResponseShelf.Entry(owner, id, bytes.length)));
    }

    /// Returns a response of this owner.
    Optional<byte[]> find(ResponseOwner owner, String id) throws IOException {
        return isId(id) ? shelf.find(owner, id) : Optional.empty();
    }

    /// Removes a response of this owner.
    ///
    /// @return whether it was stored
    boolean remove(ResponseOwner owner, String id) throws IOException {
        if (!isId(id)) {
            return false;
        }
        synchronized (this) {
            ResponseShelf.Entry entry = entries.get(id);
            if (entry != null && entry.owner().equals(owner)) {
                forget(entry);
            }
        }
        return shelf.remove(owner, id);
    }

    private void drop(List<ResponseShelf.Entry> old) throws IOException {
        for (ResponseShelf.Entry each : old) {
            shelf.remove(each.owner(), each.id());
        }
    }

    /// Adds an entry, and returns those that are too many then.
    private synchronized List<ResponseShelf.Entry> added(ResponseShelf.Entry entry) {
        ResponseShelf.Entry before = entries.get(entry.id());
        if (before != null) {
            forget(before);
        }
        entries.put(entry.id(), entry);
        Owned owned = owners.computeIfAbsent(entry.owner(), _ -> new Owned());
        owned.entries.put(entry.id(), entry);
        owned.bytes += entry.bytes();
        allBytes += entry.bytes();
        List<ResponseShelf.Entry> old = new ArrayList<>();
        while (owned.entries.size() > bounds.count() || owned.bytes > bounds.bytes()) {
            old.add(forget(owned.entries.values().iterator().next()));
        }
        while (allBytes > bounds.allBytes()) {
            old.add(forget(entries.values().iterator().next()));
        }
        return old;
    }

    /// Forgets an entry. Called with the lock held.
    private ResponseShelf.Entry forget(ResponseShelf.Entry entry) {
        entries.remove(entry.id());
        allBytes -= entry.bytes();
        Owned owned = owners.get(entry.owner());
        if (owned != null) {
            owned.entries.remove(entry.id());
            owned.bytes -= entry.bytes();
            if (owned.entries.isEmpty()) {
                owners.remove(entry.owner());
            }
        }
        return entry;
    }
}

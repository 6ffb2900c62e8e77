// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// Compiled constraints of each tenant; the one that was not used for longest goes first. Not
/// thread-safe.
final class ConstraintCache {
    private final int maxEntries;
    private final long maxBytes;
    private final Map<Key, ByteString> entries = new LinkedHashMap<>(16, 0.75f, true);
    private long bytes;

    /// @param hash of what a constraint is made of
    record Key(String tenant, ByteString hash) {
        int bytes() {
            return 2 * tenant.length() + hash.size();
        }
    }

    ConstraintCache(int maxEntries, long maxBytes) {
        this.maxEntries = maxEntries;
        this.maxBytes = maxBytes;
    }

    Optional<ByteString> find(Key key) {
        return Optional.ofNullable(entries.get(key));
    }

    void put(Key key, ByteString compiled) {
        ByteString replaced = entries.put(key, compiled);
        bytes += compiled.size() + (replaced == null ? key.bytes() : -replaced.size());
        Iterator<Map.Entry<Key, ByteString>> oldest = entries.entrySet().iterator();
        while (entries.size() > maxEntries || bytes > maxBytes) {
            Map.Entry<Key, ByteString> gone = oldest.next();
            bytes -= gone.getKey().bytes() + gone.getValue().size();
            oldest.remove();
        }
    }

    int size() {
        return entries.size();
    }

    long bytes() {
        return bytes;
    }
}

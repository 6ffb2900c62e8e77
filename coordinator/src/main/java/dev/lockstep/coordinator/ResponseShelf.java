// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// Where the bytes of stored responses lie: [MemoryShelf] or [FolderShelf]. Safe for any thread;
/// bounds are the caller's.
interface ResponseShelf {
    /// A response on the shelf.
    record Entry(ResponseOwner owner, String id, long bytes) {}

    /// Returns what was here before, the oldest first.
    List<Entry> list() throws IOException;

    /// Keeps the bytes, whole or not at all.
    void put(ResponseOwner owner, String id, byte[] bytes) throws IOException;

    Optional<byte[]> find(ResponseOwner owner, String id) throws IOException;

    /// Removes a response.
    ///
    /// @return whether it was here
    boolean remove(ResponseOwner owner, String id) throws IOException;
}

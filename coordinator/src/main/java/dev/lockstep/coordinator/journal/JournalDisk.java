// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.journal;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;

/// The files of a journal, by name.
interface JournalDisk {
    /// Returns the names of all files.
    List<String> names() throws IOException;

    ByteBuffer read(String name) throws IOException;

    /// Creates a file, in place of one with this name.
    Appender create(String name) throws IOException;

    /// Renames a file, durably.
    void rename(String from, String to) throws IOException;

    void delete(String name) throws IOException;

    /// A file that is written to its end.
    interface Appender extends Closeable {
        void append(ByteBuffer bytes) throws IOException;

        /// Returns when what was appended survives a loss of power.
        void force() throws IOException;
    }
}

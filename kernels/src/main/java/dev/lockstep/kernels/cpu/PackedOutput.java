// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/// What a file of packed weights is written to.
interface PackedOutput {

    /// Writes all that remains of a buffer.
    void write(ByteBuffer bytes, long position) throws IOException;

    /// Returns once everything written lies on the disk.
    void force() throws IOException;

    /// Opens the output of a file.
    interface Opener {
        PackedOutput of(FileChannel channel);
    }

    static PackedOutput toFile(FileChannel channel) {
        return new PackedOutput() {
            @Override
            public void write(ByteBuffer bytes, long position) throws IOException {
                long at = position;
                while (bytes.hasRemaining()) {
                    at += channel.write(bytes, at);
                }
            }

            @Override
            public void force() throws IOException {
                channel.force(true);
            }
        };
    }
}

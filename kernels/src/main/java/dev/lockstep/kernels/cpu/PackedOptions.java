// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.nio.file.Path;

/// Where the packed weights of a rank are kept between starts, and how they come to memory.
///
/// @param folder of the user; files in it can be deleted at any time
public record PackedOptions(Path folder, PackedShard shard, Access access) {

    /// How a file's weights come to memory.
    public enum Access {
        /// Into huge pages of this process, read and checked by the threads that compute.
        READ,
        /// The pages of the file itself, which all processes with the same shard share.
        MAP
    }
}

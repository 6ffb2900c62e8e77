// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.process.CacheFolder;
import dev.lockstep.cluster.process.StateFolder;
import java.nio.file.Path;
import java.util.Map;

/// Where a worker keeps what it would else make at each start.
///
/// @param cuda compiled kernels and Bytedeco's glue, which a GPU needs
/// @param packed packed weights of CPUs
public record CacheFolders(Path cuda, Path packed) {

    public static CacheFolders ofUser(Map<String, String> environment) {
        return new CacheFolders(
                StateFolder.of(environment).resolve("cuda"),
                CacheFolder.of(environment).resolve("packed"));
    }
}

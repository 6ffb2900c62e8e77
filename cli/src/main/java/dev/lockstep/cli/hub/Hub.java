// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.Transfer;
import dev.lockstep.cli.console.UnusableException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.ToLongFunction;

/// Downloads models of a Hugging Face hub through the cache that its clients share.
final class Hub {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int FILES_AT_ONCE = 4;

    private final HubConfig config;
    private final Terminal terminal;
    private final ToLongFunction<Path> usableSpace;
    private final HubPause pause;

    /// Creates a hub.
    ///
    /// @param usableSpace returns the free bytes on the disk of a folder
    Hub(HubConfig config, Terminal terminal, ToLongFunction<Path> usableSpace) {
        this.config = config;
        this.terminal = terminal;
        this.usableSpace = usableSpace;
        this.pause = new HubPause(config.timeouts(), terminal);
    }

    Hub(HubConfig config, Terminal terminal) {
        this(config, terminal, folder -> folder.toFile().getUsableSpace());
    }

    /// Returns the folder or GGUF file of a model; downloads first what is not in the cache.
    Path fetch(HubName model) throws InterruptedException {
        var cache = new HubCache(config.cache(), model);
        try {
            if (config.offline()) {
                return cached(model, cache, "HF_HUB_OFFLINE is set")
                        .orElseThrow(
                                () ->
                                        new UnusableException(
                                                "%s is not in %s, and HF_HUB_OFFLINE keeps it from being downloaded"
                                                        .formatted(model, config.cache())));
            }
            return online(model, cache);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot store %s in %s".formatted(model, config.cache()), e);
        }
    }

    private Path online(HubName model, HubCache cache) throws IOException, InterruptedException {
        try (var client = new HubClient(config, model, pause)) {
            HubClient.Listing listing;
            try {
                listing = client.list();
            } catch (IOException e) {
                String why =
                        "%s cannot be reached (%s)"
                                .formatted(config.endpoint(), HubClient.reason(e));
                return cached(model, cache, why)
                        .orElseThrow(
                                () ->
                                        new UnusableException(
                                                "%s, and %s is not in %s: %s, name a model folder or .gguf file with --model, or set HF_ENDPOINT to another hub"
                                                        .formatted(
                                                                why,
                                                                model,
                                                                config.cache(),
                                                                HubBusyException.tryAgain(e))));
            }
            HubFiles files = HubFiles.choose(model, listing.files());
            if (!isComplete(cache, listing.commit(), files)) {
                download(model, cache, client, listing, files);
            }
            cache.writeRef(model, listing.commit());
            return modelPath(cache, listing.commit(), files);
        }
    }

    /// Returns the model from the cache if it is complete there, without a request to the hub.
    private Optional<Path> cached(HubName model, HubCache cache, String why) throws IOException {
        Optional<String> commit = cache.commit(model);
        if (commit.isEmpty()) {
            return Optional.empty();
        }
        HubFiles files;
        try {
            files = HubFiles.choose(model, cache.files(commit.get()));
        } catch (UnusableException e) {
            throw new UnusableException(
                    "%s; in the cached copy %s, %s"
                            .formatted(why, cache.snapshot(commit.get()), e.getMessage()));
        }
        if (!isComplete(cache, commit.get(), files)) {
            return Optional.empty();
        }
        terminal.say(
                "%s: %s is read from the cache at commit %s (%s)"
                        .formatted(why, model, commit.get(), files.about()));
        return Optional.of(modelPath(cache, commit.get(), files));
    }

    private static Path modelPath(HubCache cache, String commit, HubFiles files) {
        Path snapshot = cache.snapshot(commit);
        return files.gguf().map(snapshot::resolve).orElse(snapshot);
    }

    private static boolean isComplete(HubCache cache, String commit, HubFiles files)
            throws IOException {
        List<String> names = new ArrayList<>(files.names());
        if (names.contains(HubFiles.INDEX) && cache.has(commit, HubFiles.INDEX)) {
            names.addAll(shards(cache.snapshot(commit).resolve(HubFiles.INDEX)));
        }
        return names.stream().allMatch(name -> cache.has(commit, name));
    }

    private void download(
            HubName model,
            HubCache cache,
            HubClient client,
            HubClient.Listing listing,
            HubFiles chosen)
            throws InterruptedException {
        try (CacheLock _ =
                CacheLock.acquire(
                        cache.lockFile(),
                        () -> terminal.say("waiting: another process downloads " + model))) {
            HubFiles files = chosen;
            if (chosen.names().contains(HubFiles.INDEX)) {
                Map<String, String> index =
                        fetchBlobs(model, cache, client, listing.commit(), List.of(HubFiles.INDEX));
                files =
                        chosen.withShards(
                                requireListed(
                                        model,
                                        shards(cache.blob(index.getOrDefault(HubFiles.INDEX, ""))),
                                        listing.files()));
            }
            terminal.say("%s on %s: %s".formatted(model, config.endpoint(), files.about()));
            Map<String, String> hashes =
                    fetchBlobs(model, cache, client, listing.commit(), files.names());
            // After all downloads, so that a snapshot is complete.
            for (Map.Entry<String, String> file : hashes.entrySet()) {
                cache.link(listing.commit(), file.getKey(), file.getValue());
            }
            terminal.say(
                    "model %s is in %s"
                            .formatted(model, modelPath(cache, listing.commit(), files)));
        } catch (FileSystemException e) {
            throw new UncheckedIOException(
                    "cannot store %s in %s".formatted(model, config.cache()), e);
        } catch (IOException e) {
            throw new UnusableException(
                    "the download of %s into %s failed (%s): the received part is kept, %s"
                            .formatted(
                                    model,
                                    config.cache(),
                                    HubClient.reason(e),
                                    HubBusyException.tryAgain(e)));
        }
    }

    /// Downloads the files whose blobs are missing.
    ///
    /// @return the hash of each file by its name
    private Map<String, String> fetchBlobs(
            HubName model, HubCache cache, HubClient client, String commit, List<String> names)
            throws IOException, InterruptedException {
        List<HubClient.RemoteFile> files =
                Parallel.map(names, FILES_AT_ONCE, name -> client.head(commit, name), () -> {});
        // Keyed by hash: two names may have the same content.
        Map<String, HubClient.RemoteFile> missing = new LinkedHashMap<>();
        long total = 0;
        for (HubClient.RemoteFile file : files) {
            if (!cache.hasBlob(file.hash(), file.bytes())
                    && missing.put(file.hash(), file) == null) {
                total += Math.max(0, file.bytes());
            }
        }
        requireSpace(model, cache, missing.values());
        var transfer = new Transfer(terminal, total);
        var download = new HubDownload(client, cache, transfer, pause);
        List<HubClient.RemoteFile> received =
                Parallel.map(
                        List.copyOf(missing.values()),
                        FILES_AT_ONCE,
                        download::fetch,
                        transfer::show);
        terminal.endLine();
        Map<String, String> hashes = new LinkedHashMap<>();
        files.forEach(file -> hashes.put(file.name(), file.hash()));
        // A file that changed during its download has another hash now.
        received.forEach(file -> hashes.put(file.name(), file.hash()));
        return hashes;
    }

    private void requireSpace(
            HubName model, HubCache cache, Collection<HubClient.RemoteFile> missing)
            throws IOException {
        long needed = 0;
        for (HubClient.RemoteFile file : missing) {
            Path part = cache.incomplete(file.hash());
            long present = Files.exists(part) ? Files.size(part) : 0;
            needed += Math.max(0, file.bytes() - present);
        }
        Path blobs = Files.createDirectories(cache.blobs());
        long usable = usableSpace.applyAsLong(blobs);
        if (needed > usable) {
            throw new UnusableException(
                    "%s needs %s more in %s, which has %s left: free some, or set HF_HUB_CACHE to a folder on another disk"
                            .formatted(
                                    model,
                                    Terminal.bytes(needed),
                                    config.cache(),
                                    Terminal.bytes(usable)));
        }
    }

    private static Set<String> shards(Path index) throws IOException {
        Set<String> shards = new TreeSet<>();
        for (JsonNode file : JSON.readTree(index.toFile()).path("weight_map")) {
            shards.add(file.asText());
        }
        return shards;
    }

    private static Set<String> requireListed(HubName model, Set<String> shards, Set<String> all) {
        for (String shard : shards) {
            if (!all.contains(shard)) {
                throw new UnusableException(
                        "%s of %s names %s, which is not among its files: report it to the model's authors"
                                .formatted(HubFiles.INDEX, model, shard));
            }
        }
        return shards;
    }
}

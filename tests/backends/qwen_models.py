"""Miniatures of Qwen2.5-Omni and of a Qwen2.5 text model, random weights in the files that are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MEDIA = {
    "image_token": "<|IMAGE|>",
    "audio_token": "<|AUDIO|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
}
EXTRACTOR = {
    "chunk_length": 300,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 128,
    "hop_length": 160,
    "image_processor_type": "Qwen2VLImageProcessor",
    "n_fft": 400,
    "n_samples": 4_800_000,
    "nb_max_frames": 30_000,
    "processor_class": "Qwen2_5OmniProcessor",
    "return_attention_mask": True,
    "sampling_rate": 16_000,
}
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}


def bytes_tokenizer(**tokens: str) -> Any:
    """A tokenizer of bytes of the published class."""
    from tokenizers import pre_tokenizers
    from transformers import Qwen2Tokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(
        vocab={character: index for index, character in enumerate(alphabet)},
        merges=[],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        extra_special_tokens=tokens,
    )
    tokenizer.add_tokens(["<|im_start|>"], special_tokens=True)
    return tokenizer


def write_omni(folder: Path) -> Path:
    """The whole of Qwen2.5-Omni, as its repository has it: thinker, talker and what speaks, in one model."""
    import torch
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration

    tokenizer = bytes_tokenizer(**MEDIA)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(EXTRACTOR))
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT}))
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in MEDIA.items()}
    config = Qwen2_5OmniConfig(
        thinker_config={
            "audio_config": {
                "num_mel_bins": 128,
                "encoder_layers": 1,
                "encoder_attention_heads": 2,
                "encoder_ffn_dim": 32,
                "d_model": 32,
                "output_dim": 32,
            },
            "vision_config": {
                "depth": 1,
                "hidden_size": 32,
                "intermediate_size": 32,
                "num_heads": 2,
                "out_hidden_size": 32,
                "fullatt_block_indexes": [0],
            },
            "text_config": {"vocab_size": len(tokenizer), "rope_parameters": ROPE, **SMALL},
            "audio_token_index": ids["audio_token"],
            "image_token_index": ids["image_token"],
            "video_token_index": ids["video_token"],
            "audio_start_token_id": ids["audio_bos_token"],
            "audio_end_token_id": ids["audio_eos_token"],
            "vision_start_token_id": ids["vision_bos_token"],
            "vision_end_token_id": ids["vision_eos_token"],
        },
        talker_config={
            "vocab_size": 40,
            "embedding_size": 32,
            "head_dim": 16,
            "rope_parameters": ROPE,
            "pad_token_id": 0,
            **SMALL,
        },
        token2wav_config={
            "dit_config": {
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "head_dim": 16,
                "emb_dim": 8,
                "num_embeds": 41,
                "mel_dim": 8,
                "enc_emb_dim": 8,
                "enc_dim": 8,
                "enc_channels": [8] * 5,
                "enc_attention_channels": 4,
                "enc_res2net_scale": 2,
                "enc_se_channels": 4,
            },
            "bigvgan_config": {
                "mel_dim": 8,
                "upsample_initial_channel": 8,
                "resblock_kernel_sizes": [3],
                "resblock_dilation_sizes": [[1, 3, 5]],
                "upsample_rates": [2],
                "upsample_kernel_sizes": [4],
            },
        },
    )
    torch.manual_seed(0)
    model = Qwen2_5OmniForConditionalGeneration(config)
    model.save_pretrained(folder)
    torch.save({}, folder / "spk_dict.pt")
    return folder


def write_text_model(folder: Path) -> Path:
    """A Qwen2.5 text model with the sampling settings that are published with it."""
    import torch
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    tokenizer = bytes_tokenizer()
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **SMALL)
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.7,
        top_k=20,
        top_p=0.8,
        repetition_penalty=1.05,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    return folder


def write_spoiled(folder: Path, spoiled: Path, weight: str) -> Path:
    """A copy of a model of which one weight is NaN."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, spoiled)
    weights = load_file(spoiled / "model.safetensors")
    weights[weight].fill_(float("nan"))
    save_file(weights, spoiled / "model.safetensors", {"format": "pt"})
    return spoiled

"""Scaled dot-product attention (Vaswani et al. 2017, equation 1), computed as suits the device and the length."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from domainlm.model.dropout import draw_keep_mask

_SCORES_BYTES_AT_ONCE = 2**21


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None, dropout: float
) -> torch.Tensor:
    if query.device.type == "cpu" and torch.is_grad_enabled():
        if torch.is_autocast_enabled("cpu"):
            dt = torch.get_autocast_dtype("cpu")
            query, key, value = query.to(dt), key.to(dt), value.to(dt)
        if bias is not None:
            bias = bias.to(query.dtype)
        return _PlainAttention.apply(query, key, value, bias, dropout)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)


class _PlainAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, bias, p):
        b,h,t,d=q.shape
        q=q.contiguous();k=k.contiguous();v=v.contiguous()
        o=torch.empty_like(q)
        rows=max(1, _SCORES_BYTES_AT_ONCE//(h*t*t*q.element_size()))
        ctx.scale=1/math.sqrt(d); ws=[];ms=[]
        for i in range(0,b,rows):
            s=torch.matmul(q[i:i+rows],k[i:i+rows].transpose(-1,-2)).mul_(ctx.scale)
            if bias is not None: s+=bias[i:i+rows]
            w=torch.softmax(s,-1); ws.append(w)
            if p:
                m=draw_keep_mask(w.shape,p); ms.append(m)
                w=(w*m)
            torch.matmul(w,v[i:i+rows],out=o[i:i+rows])
        if p: o.mul_(1/(1-p))
        ctx.rows=rows; ctx.p=p
        ctx.save_for_backward(q,k,v,*ws,*ms)
        return o
    @staticmethod
    def backward(ctx,go):
        q,k,v,*rest=ctx.saved_tensors
        n=(q.shape[0]+ctx.rows-1)//ctx.rows
        ws,ms=rest[:n],rest[n:]
        dq=torch.empty_like(q);dk=torch.empty_like(k);dv=torch.empty_like(v)
        go=(go*(1/(1-ctx.p))).contiguous() if ctx.p else go.contiguous()
        R=ctx.rows
        for j in range(n):
            i=j*R
            w=ws[j]; g=go[i:i+R]
            wd=w*ms[j] if ctx.p else w
            torch.matmul(wd.transpose(-1,-2),g,out=dv[i:i+R])
            dw=torch.matmul(g,v[i:i+R].transpose(-1,-2))
            if ctx.p: dw*=ms[j]
            ds=torch._softmax_backward_data(dw,w,-1,w.dtype).mul_(ctx.scale)
            torch.matmul(ds,k[i:i+R],out=dq[i:i+R])
            torch.matmul(ds.transpose(-1,-2),q[i:i+R],out=dk[i:i+R])
        return dq,dk,dv,None,None
